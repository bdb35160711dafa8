public import Memslots

/// Takes slots and does nothing: what is left is what Swiftlet itself does for a change.
public struct IdleInstaller: SlotInstaller {
    public init() {}

    public func park() {}
    public func resume() {}
    public func set(_ request: SlotRequest) {}
    public func place(_ piece: WindowPiece) {}
    public func clear(_ piece: WindowPiece) {}
    public func takeDirtyLog(of slot: Memslot) -> [UInt64] { [] }
}
