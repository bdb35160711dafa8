public import Memslots

/// An installer that takes slots and does nothing. What remains of a change is Swiftlet's own work.
public struct IdleInstaller: SlotInstaller {
    /// Makes an installer.
    public init() {}

    public func park() {}
    public func resume() {}
    public func set(_ request: SlotRequest) {}
    public func place(_ piece: WindowPiece) {}
    public func clear(_ piece: WindowPiece) {}
    public func takeDirtyLog(of slot: Memslot) -> [UInt64] { [] }
}
