/// The processor mode in which an image starts.
public enum CPUMode: String, Sendable, CaseIterable {
    /// 16-bit real mode.
    case real
    /// 32-bit protected mode with flat segments and without paging.
    case protected
    /// 64-bit long mode with page tables that map each linear address to the equal physical one.
    case long
}
