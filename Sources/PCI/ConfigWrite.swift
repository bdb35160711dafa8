/// What a configuration write changed, and where.
public struct ConfigWrite: Hashable, Sendable {
    public let function: FunctionAddress
    public let change: ConfigChange
}
