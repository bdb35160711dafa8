/// What a configuration write changed, as data: nothing is applied to memory, no message is sent.
public struct ConfigChange: Hashable, Sendable {
    /// The new state of memory decode, where it changed; so the others.
    public var memoryDecode: Bool?
    public var portDecode: Bool?
    public var busMaster: Bool?
    /// The registers whose address changed.
    public var moved: [BaseAddressRegister] = []
    public var romEnable: Bool?
    public var msiEnable: Bool?
    public var msixEnable: Bool?
    public var msixFunctionMask: Bool?
    /// Messages of pending vectors that may go now.
    public var messages: [MSIMessage] = []
    /// Whether what the function decodes in memory may be other than before: ask `DecodedMemory.update`.
    public var affectsDecodedMemory = false

    public init() {}

    public var isEmpty: Bool {
        self == ConfigChange()
    }
}
