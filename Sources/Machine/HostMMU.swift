internal import Host
public import Memslots

extension Footprint.MMU {
    /// How this host's KVM translates guest addresses: two-dimensional paging where the module for the processor says that it
    /// uses it, shadow page tables otherwise.
    public static var ofHost: Footprint.MMU {
        let parameters = ["/sys/module/kvm_intel/parameters/ept", "/sys/module/kvm_amd/parameters/npt"]
        let isTwoDimensional = parameters.contains { path in
            let value = (try? readFile(path, limit: 16))?.first
            return value == UInt8(ascii: "Y") || value == UInt8(ascii: "1")
        }
        return isTwoDimensional ? .tdp : .shadow
    }
}
