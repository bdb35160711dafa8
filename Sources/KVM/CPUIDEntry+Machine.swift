extension [CPUIDEntry] {
    /// Returns the leaves that the vCPUs of a machine share, made from the leaves that KVM supports.
    ///
    /// Linux before 6.2 leaves two features to the monitor: the hypervisor bit, and the deadline timer, which is part of the
    /// in-kernel APIC. KVM's documentation asks monitors without that APIC to clear three features (KVM_GET_SUPPORTED_CPUID).
    ///
    /// - Parameters:
    ///   - hasAPIC: Whether the machine has the in-kernel interrupt controllers.
    ///   - hasDeadlineTimer: Whether the timers of the in-kernel APICs have TSC-deadline mode (KVM_CAP_TSC_DEADLINE_TIMER).
    public func forMachine(hasAPIC: Bool, hasDeadlineTimer: Bool) -> [CPUIDEntry] {
        var leaves = self
        leaves.set(.hypervisor, true)
        if !hasAPIC {
            for feature in [CPUFeature.x2APIC, .tscDeadlineTimer, .unhalt] { leaves.set(feature, false) }
        } else if hasDeadlineTimer {
            leaves.set(.tscDeadlineTimer, true)
        }
        return leaves
    }

    /// Returns the leaves of one vCPU, with its APIC id and a topology: one package, with one core for each vCPU.
    ///
    /// - Parameters:
    ///   - id: The APIC id.
    ///   - count: The number of vCPUs.
    public func forVCPU(id: UInt32, of count: Int) -> [CPUIDEntry] {
        let last = UInt32(clamping: count - 1)
        let idBits = UInt32(32 - last.leadingZeroBitCount)
        var leaves = filter { ![0xb, 0x1f].contains($0.function) }.map { entry in
            var entry = entry
            switch entry.function {
            case 1:
                entry.ebx = entry.ebx & 0x0000_ffff | id << 24 | Swift.min(last + 1, 255) << 16
                entry.edx = entry.edx & ~(1 << 28) | (count > 1 ? 1 << 28 : 0)
            case 4, 0x8000_001d:
                // Bits 0 to 4 are the cache's type, bits 5 to 7 its level. All cores share the third level. No core shares another
                // level.
                let sharers: UInt32 = entry.eax >> 5 & 7 == 3 ? (1 << idBits) - 1 : 0
                guard entry.eax & 0x1f != 0 else { break }
                entry.eax = entry.eax & ~(0xfff << 14) | (sharers & 0xfff) << 14
                if entry.function == 4 {
                    entry.eax = entry.eax & ~(0x3f << 26) | Swift.min(UInt32(1) << idBits &- 1, 0x3f) << 26
                }
            case 0x8000_0001 where count == 1: entry.ecx &= ~(1 << 1)
            case 0x8000_0008: entry.ecx = entry.ecx & ~0xf0ff | idBits << 12 | Swift.min(last, 255)
            case 0x8000_001e: (entry.eax, entry.ebx, entry.ecx) = (id, id & 0xff, 0)
            default: break
            }
            return entry
        }
        let highest = leaf(0)?.eax ?? 0
        for function in [UInt32(0xb), 0x1f] where function <= highest {
            // The levels of the topology: one thread for each core, then all cores, then the end of the list. A level has three
            // values: the number of APIC id bits that tell its threads apart, the number of its threads, and its own number and
            // type.
            let levels: [(UInt32, UInt32, UInt32)] = [(0, 1, 0x100), (idBits, last + 1, 0x201), (0, 0, 2)]
            for (index, level) in levels.enumerated() {
                var entry = CPUIDEntry()
                (entry.function, entry.index, entry.flags) = (function, UInt32(index), 1)
                (entry.eax, entry.ebx, entry.ecx) = level
                entry.edx = id
                leaves.append(entry)
            }
        }
        return leaves
    }

    /// Sets or clears the bit of a feature. If the bit is to be set and its leaf is missing, adds the leaf.
    public mutating func set(_ feature: CPUFeature, _ isOn: Bool) {
        let place = firstIndex { $0.function == feature.function && $0.index == 0 }
        if place == nil, !isOn { return }
        if place == nil {
            var entry = CPUIDEntry()
            entry.function = feature.function
            append(entry)
        }
        let index = place ?? count - 1
        let mask = UInt32(1) << feature.bit
        self[index].change(feature.register) { $0 = $0 & ~mask | (isOn ? mask : 0) }
    }
}

extension CPUIDEntry {
    fileprivate mutating func change(_ register: CPUFeature.Register, by change: (inout UInt32) -> Void) {
        switch register {
        case .eax: change(&eax)
        case .ebx: change(&ebx)
        case .ecx: change(&ecx)
        case .edx: change(&edx)
        }
    }
}
