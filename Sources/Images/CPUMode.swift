/// The processor mode in which an image starts.
public enum CPUMode: String, Sendable, CaseIterable {
    /// 16-bit real mode.
    case real
    /// 32-bit protected mode, flat segments, no paging.
    case protected
    /// 64-bit long mode, paging with linear addresses equal to physical ones.
    case long
}
