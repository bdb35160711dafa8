extension DebugSession {
    /// Carries out a command. Answers an unknown command with an empty packet, and a malformed one with an error.
    mutating func handle(_ data: [UInt8]) {
        guard let letter = data.first else { return sendUnknown() }
        var text = Scanner(data.dropFirst())
        switch UnicodeScalar(letter) {
        case "?": sendStop()
        case "g":
            if let bytes = target.registers(of: generalThread) { send(bytes.hexadecimal) } else { send(isDone: false) }
        case "G":
            send(isDone: text.rest.bytesFromHexadecimal.map { target.setRegisters($0, of: generalThread) } ?? false)
        case "p": readRegister(&text)
        case "P": send(isDone: writeRegister(&text))
        case "m": readMemory(&text)
        case "M": send(isDone: writeMemory(&text) { $0.bytesFromHexadecimal })
        case "X": send(isDone: writeMemory(&text) { Array($0) })
        case "H": selectThread(&text)
        case "T": send(isDone: thread(&text) != nil)
        case "Z", "z": changeStop(&text, isInserted: letter == UInt8(ascii: "Z"))
        case "c", "s": resumeOne(letter == UInt8(ascii: "s") ? .step : .go)
        case "C", "S": resumeOne(letter == UInt8(ascii: "S") ? .step : .go)
        case "D": detach()
        case "k": kill()
        case "v": handleNamed(&text)
        case "q", "Q": query(data)
        default: sendUnknown()
        }
    }

    // MARK: Registers and memory

    /// Answers `p`: reads a register.
    private mutating func readRegister(_ text: inout Scanner) {
        guard let register = text.register(), let bytes = target.registers(of: generalThread) else {
            return send(isDone: false)
        }
        send(bytes[register.range].hexadecimal)
    }

    /// Carries out `P`: writes a register. Returns whether it was written.
    private func writeRegister(_ text: inout Scanner) -> Bool {
        guard let register = text.register(), text.skip("="), let value = text.rest.bytesFromHexadecimal,
            value.count == register.size, var bytes = target.registers(of: generalThread)
        else { return false }
        bytes.replaceSubrange(register.range, with: value)
        return target.setRegisters(bytes, of: generalThread)
    }

    /// Answers `m`: reads memory at a linear address.
    private mutating func readMemory(_ text: inout Scanner) {
        guard let address = text.number(), text.skip(","), let count = text.number(), text.rest.isEmpty else {
            return send(isDone: false)
        }
        let bytes = target.read(count: Int(min(count, UInt64(Packet.maximumSize / 2))), at: address, on: generalThread)
        // If no byte can be read, the answer is an error. If only the first bytes can be read, the answer has these.
        if bytes.isEmpty, count > 0 { send(isDone: false) } else { send(bytes.hexadecimal) }
    }

    /// Carries out `M` or `X`: writes memory at a linear address. Returns whether all bytes were written.
    private func writeMemory(_ text: inout Scanner, _ decode: (ArraySlice<UInt8>) -> [UInt8]?) -> Bool {
        guard let address = text.number(), text.skip(","), let count = text.number(), text.skip(":"),
            let bytes = decode(text.rest), UInt64(bytes.count) == count
        else { return false }
        return bytes.isEmpty || target.write(bytes, at: address, on: generalThread)
    }

    // MARK: Threads

    /// Reads a thread number, which counts from 1. The numbers 0 (any thread) and -1 (all threads) both stand for the first thread.
    ///
    /// - Returns: The index of the thread, from 0 on, or nil if there is no such thread.
    private func thread(_ text: inout Scanner) -> Int? {
        if text.skip("-") { return text.number() == 1 ? 0 : nil }
        guard let number = text.number() else { return nil }
        return number == 0 ? 0 : number <= UInt64(target.threadCount) ? Int(number) - 1 : nil
    }

    /// Answers `H`: chooses the thread to which later commands refer.
    private mutating func selectThread(_ text: inout Scanner) {
        let isGeneral = text.skip("g")
        guard isGeneral || text.skip("c"), let thread = thread(&text) else { return send(isDone: false) }
        // vCont names the threads that it resumes, so the choice of `Hc` has no effect.
        if isGeneral { generalThread = thread }
        send("OK")
    }

    // MARK: Breakpoints

    /// Answers `Z` and `z`: inserts or removes a breakpoint or watchpoint. It takes effect when threads are resumed.
    private mutating func changeStop(_ text: inout Scanner, isInserted: Bool) {
        guard let number = text.number(), let kind = StopPoint.Kind(rawValue: UInt8(clamping: number)), text.skip(","),
            let address = text.number(), text.skip(","), let size = text.number()
        else { return sendUnknown() }
        let isWatch = number >= 2
        // x86 has no debug register that watches for reads alone.
        guard !isWatch || target.canWatch && kind != .readWatch else { return sendUnknown() }
        guard !isWatch || [1, 2, 4, 8].contains(size) && address % size == 0 else { return send(isDone: false) }
        var changed = stops
        let stop = StopPoint(kind: kind, address: address, size: isWatch ? size : 1)
        if isInserted { changed.insert(stop) } else { changed.remove(stop) }
        guard changed.count <= 1000, let plan = StopPlan(changed, canBreak: target.canBreak) else {
            return send(isDone: false)
        }
        let canPatch = plan.instructions.allSatisfy { address in
            (0..<target.threadCount).contains { target.read(count: 1, at: address, on: $0).count == 1 }
        }
        guard !isInserted || canPatch else { return send(isDone: false) }
        stops = changed
        send("OK")
    }

    // MARK: Resuming and ending

    /// Lets threads go on with the present breakpoints. Answers with an error if threads run already, or if no thread has an
    /// action.
    private mutating func resume(_ actions: [Int: ThreadAction]) {
        guard !isRunning, !actions.isEmpty, let plan = StopPlan(stops, canBreak: target.canBreak) else {
            return send(isDone: false)
        }
        isRunning = true
        target.resume(actions, plan: plan)
    }

    /// Resumes the thread that the client has chosen by an action, and lets all other threads go on.
    private mutating func resumeOne(_ action: ThreadAction) {
        var actions = Dictionary(uniqueKeysWithValues: (0..<target.threadCount).map { ($0, ThreadAction.go) })
        actions[generalThread] = action
        resume(actions)
    }

    private mutating func detach() {
        stops = []
        target.release()
        send("OK")
        hasEnded = true
    }

    private mutating func kill() {
        target.kill()
        hasEnded = true
    }

    /// Answers a command that consists of `v` and a name.
    private mutating func handleNamed(_ text: inout Scanner) {
        if text.skip("Cont?") { return send("vCont;c;C;s;S") }
        if text.skip("Cont;") { return resume(actions(&text)) }
        if text.skip("Kill") {
            send("OK")
            return kill()
        }
        sendUnknown()
    }

    /// Reads the actions of vCont. A thread takes the first action that names it or all threads. A thread without an action stays
    /// stopped.
    private func actions(_ text: inout Scanner) -> [Int: ThreadAction] {
        var actions: [Int: ThreadAction] = [:]
        for part in text.rest.split(separator: UInt8(ascii: ";")) {
            guard let letter = part.first else { continue }
            let action: ThreadAction
            switch UnicodeScalar(letter) {
            case "c", "C": action = .go
            case "s", "S": action = .step
            default: return [:]
            }
            var threads = Array(0..<target.threadCount)
            if let colon = part.firstIndex(of: UInt8(ascii: ":")) {
                var name = Scanner(part[(colon + 1)...])
                if name.rest.first != UInt8(ascii: "-") {
                    guard let thread = thread(&name) else { return [:] }
                    threads = [thread]
                }
            }
            for thread in threads where actions[thread] == nil { actions[thread] = action }
        }
        return actions
    }
}

/// A reader of the text of a command, from its beginning on.
struct Scanner {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// Skips a text if the rest of the command begins with it. Returns whether the rest began with it.
    mutating func skip(_ text: String) -> Bool {
        guard rest.starts(with: text.utf8) else { return false }
        rest = rest.dropFirst(text.utf8.count)
        return true
    }

    /// Reads a hexadecimal number. Returns nil if the rest of the command does not begin with one.
    mutating func number() -> UInt64? {
        let digits = rest.prefix { $0 < 0x80 && Character(UnicodeScalar($0)).isHexDigit }
        guard let value = digits.hexadecimalValue else { return nil }
        rest = rest[digits.endIndex...]
        return value
    }

    /// Reads the number of a register. Returns nil if there is no such register.
    mutating func register() -> RegisterLayout.Register? {
        number().flatMap { $0 < UInt64(RegisterLayout.registers.count) ? RegisterLayout.registers[Int($0)] : nil }
    }
}
