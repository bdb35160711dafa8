/// A named feature of a processor: one bit of CPUID.
public struct CPUFeature: Hashable, Sendable {
    enum Register: Hashable, Sendable {
        case eax, ebx, ecx, edx
    }

    let function: UInt32
    let register: Register
    let bit: UInt32

    static let hypervisor = CPUFeature(function: 1, register: .ecx, bit: 31)
    static let x2APIC = CPUFeature(function: 1, register: .ecx, bit: 21)
    static let tscDeadlineTimer = CPUFeature(function: 1, register: .ecx, bit: 24)
    /// KVM_FEATURE_PV_UNHALT: a hypercall with which a vCPU wakes one that has halted.
    static let unhalt = CPUFeature(function: 0x4000_0001, register: .eax, bit: 7)
}

extension CPUFeature {
    /// Finds a feature by name. Returns nil if the name is unknown.
    ///
    /// Names are those of /proc/cpuinfo in Linux. A feature of KVM's own has its name from Linux's asm/kvm_para.h, in small letters
    /// and without `kvm_feature_`. Hyphens and underscores are the same.
    public init?(named name: String) {
        let name = String(name.map { $0 == "-" ? "_" : $0 })
        for (function, register, names) in Self.names {
            guard name != Self.unnamed, let bit = names.split(separator: " ").firstIndex(of: name[...]) else {
                continue
            }
            self.init(function: function, register: register, bit: UInt32(bit))
            return
        }
        return nil
    }

    /// The placeholder in `names` for a bit without a name.
    private static let unnamed = "_"

    /// The names of the bits of each register, from bit 0 on.
    private static let names: [(function: UInt32, register: Register, names: String)] = [
        (
            1, .edx,
            """
            fpu vme de pse tsc msr pae mce cx8 apic _ sep mtrr pge mca cmov pat pse36 pn clflush _ dts acpi mmx fxsr sse sse2 ss ht tm \
            ia64 pbe
            """
        ),
        (
            1, .ecx,
            """
            pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm _ pcid dca sse4_1 sse4_2 x2apic movbe \
            popcnt tsc_deadline_timer aes xsave osxsave avx f16c rdrand hypervisor
            """
        ),
        (
            7, .ebx,
            """
            fsgsbase tsc_adjust sgx bmi1 hle avx2 _ smep bmi2 erms invpcid rtm cqm _ mpx rdt_a avx512f avx512dq rdseed adx smap \
            avx512ifma _ clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl
            """
        ),
        (
            7, .ecx,
            """
            _ avx512vbmi umip pku ospke waitpkg avx512_vbmi2 shstk gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme \
            avx512_vpopcntdq _ la57 _ _ _ _ _ rdpid _ bus_lock_detect cldemote _ movdiri movdir64b enqcmd sgx_lc pks
            """
        ),
        (
            0x8000_0001, .edx,
            "_ _ _ _ _ _ _ _ _ _ _ syscall _ _ _ _ _ _ _ mp nx _ mmxext _ _ fxsr_opt pdpe1gb rdtscp _ lm 3dnowext 3dnow"
        ),
        (
            0x8000_0001, .ecx,
            """
            lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt _ lwp fma4 tce _ \
            nodeid_msr _ tbm topoext perfctr_core
            """
        ),
        (
            0x4000_0001, .eax,
            """
            clocksource nop_io_delay mmu_op clocksource2 async_pf steal_time pv_eoi pv_unhalt _ pv_tlb_flush async_pf_vmexit \
            pv_send_ipi poll_control pv_sched_yield async_pf_int msi_ext_dest_id hc_map_gpa_range migration_control _ _ _ _ _ _ \
            clocksource_stable_bit
            """
        ),
    ]
}
