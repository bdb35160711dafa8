extension DebugSession {
    /// Answers a general query: a command that consists of `q` or `Q` and a name.
    mutating func query(_ data: [UInt8]) {
        var text = Scanner(data[...])
        if text.skip("qSupported") {
            send(
                "PacketSize=\(String(Packet.maximumSize, radix: 16));QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+"
            )
        } else if text.skip("QStartNoAckMode") {
            stopAcknowledging()
        } else if text.skip("qXfer:features:read:target.xml:") {
            sendDescription(&text)
        } else if text.skip("qAttached") {
            // The answer 1 means that the guest existed before the session. So the client detaches from the guest when the session
            // ends, and does not kill it.
            send("1")
        } else if text.skip("qC"), text.rest.isEmpty {
            send("QC" + String(generalThread + 1, radix: 16))
        } else if text.skip("qfThreadInfo") {
            send("m" + (1...target.threadCount).map { String($0, radix: 16) }.joined(separator: ","))
        } else if text.skip("qsThreadInfo") {
            send("l")
        } else if text.skip("qThreadExtraInfo,") {
            let thread = text.number().flatMap { 1...UInt64(target.threadCount) ~= $0 ? Int($0) - 1 : nil }
            if let thread { send(Array(target.summary(of: thread).utf8).hexadecimal) } else { send(isDone: false) }
        } else if text.skip("qRcmd,") {
            answer(text.rest.bytesFromHexadecimal.map { String(decoding: $0, as: UTF8.self) })
        } else {
            sendUnknown()
        }
    }

    /// Sends a part of the target description.
    private mutating func sendDescription(_ text: inout Scanner) {
        guard let offset = text.number(), text.skip(","), let count = text.number() else { return send(isDone: false) }
        let all = Array(RegisterLayout.description.utf8)
        let rest = all.dropFirst(Int(clamping: offset))
        // The part takes at most half a packet, because each byte may have to be escaped with a second one.
        let part = rest.prefix(Int(clamping: min(count, UInt64(Packet.maximumSize / 2))))
        send([UInt8(ascii: part.count < rest.count ? "m" : "l")] + part)
    }

    /// Answers a command that the user gives to the monitor. The text is sent in packets of its own, and the packet OK ends it.
    private mutating func answer(_ command: String?) {
        guard let command else { return send(isDone: false) }
        let name = command.split(separator: " ").joined(separator: " ")
        let text =
            target.answer(to: name)
            ?? "\(name.isEmpty ? "" : "There is no command \(name). ")The commands are: \(target.commands)\n"
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            send([UInt8(ascii: "O")] + rest.prefix(Packet.maximumSize / 4).hexadecimal)
            rest = rest.dropFirst(Packet.maximumSize / 4)
        }
        send("OK")
    }
}
