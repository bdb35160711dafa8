internal import Board
internal import Devices
internal import Memslots

extension GuestMachine {
    /// The text in the memory of a PC's text screen, where many small guests print. It is nil if there is none.
    public var textScreen: String? {
        read(count: TextScreen.size, at: GuestAddress(BootMemory.textScreen)).flatMap(TextScreen.text)
    }
}
