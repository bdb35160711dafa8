import PropertySupport
import Testing

@testable import Debugging

@Suite("A debugger's session")
struct DebugSessionTests {
    @Test("packets are acknowledged until the client asks for no more of that")
    func acknowledgements() {
        var client = Client()
        #expect(client.session.receive(Array("$qC#b4".utf8)) == Array("+$QC1#c5".utf8))
        #expect(client.session.receive(Array("$qC#b5".utf8)) == Array("-".utf8))
        #expect(client.session.receive(Array("-".utf8)) == Array("$QC1#c5".utf8))
        #expect(client.session.receive(Array("-----".utf8)) == Array("$QC1#c5".utf8))
        #expect(client.session.receive(Packet.encoded(Array("QStartNoAckMode".utf8))) == Array("+$OK#9a".utf8))
        #expect(client.session.receive(Array("$qC#b4".utf8)) == Array("$QC1#c5".utf8))
    }

    @Test("the client learns of what is supported, of threads and of the description, in pieces that join")
    func queries() {
        var client = Client()
        let supported = client.send("qSupported:swbreak+")[0]
        #expect(supported.contains("PacketSize=4000;") && supported.contains("qXfer:features:read+"))
        #expect(client.send("qfThreadInfo") == ["m1,2,3"])
        #expect(client.send("qsThreadInfo") == ["l"])
        #expect(client.send("qThreadExtraInfo,2") == [String(decoding: "vCPU 1".utf8.hexadecimal, as: UTF8.self)])
        #expect(client.send("qThreadExtraInfo,4") == ["E01"])
        var text = ""
        while true {
            let part = client.send("qXfer:features:read:target.xml:\(String(text.utf8.count, radix: 16)),100")[0]
            text += part.dropFirst()
            if part.first == "l" { break }
        }
        #expect(text == RegisterLayout.description)
        #expect(client.send("qXfer:features:read:target.xml:ffffffffffffffff,100") == ["l"])
        #expect(client.send("qXfer:features:read:other.xml:0,100") == [""])
        #expect(client.send("vMustReplyEmpty") == [""])
    }

    @Test("registers are read and written whole and one by one, of the thread that was chosen")
    func registers() {
        var client = Client()
        #expect(client.send("Hg2") == ["OK"])
        #expect(client.send("g") == [String(decoding: client.target.files[1].hexadecimal, as: UTF8.self)])
        #expect(client.send("p10") == ["8182838485868788"])  // rip, from byte 128
        #expect(client.send("P10=0102030405060708") == ["OK"])
        #expect(client.target.files[1][128..<136] == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(client.target.files[0][128] == 128)
        #expect(client.send("G00") == ["E01"])
        #expect(client.send("P10=01") == ["E01"] && client.send("pffff") == ["E01"])
        #expect(client.send("Hg4") == ["E01"] && client.send("Hg-1") == ["OK"])
    }

    @Test("memory is read as far as it is there, and written whole or not at all")
    func memory() {
        var client = Client()
        #expect(client.send("m1010,4") == ["10111213"])
        #expect(client.send("m1ffe,4") == ["feff"])
        #expect(client.send("m5000,4") == ["E01"] && client.send("m1010") == ["E01"])
        #expect(client.send("M1010,2:aabb") == ["OK"])
        #expect(client.send(Array("X1012,3:".utf8) + [0x24, 0x7d, 0xff]) == ["OK"])
        #expect(client.target.memory[0x10..<0x15] == [0xaa, 0xbb, 0x24, 0x7d, 0xff])
        #expect(client.send("X1012,0:") == ["OK"])
        for wrong in ["M1ffe,4:00000000", "M1010,2:aa", "M1010,2:zz", "M,2:aabb"] {
            #expect(client.send(wrong) == ["E01"])
        }
        #expect(client.send("mffffffffffffffff,ffffffffffffffff") == ["E01"])
    }

    @Test("each thread takes the first action that names it, and threads without one stay")
    func resuming() {
        var client = Client()
        #expect(client.send("vCont?") == ["vCont;c;C;s;S"])
        #expect(client.send("vCont;s:2;c") == [])
        #expect(client.target.actions == [1: .step, 0: .go, 2: .go] && client.session.isRunning)
        #expect(Client.packets(client.session.report(.step, of: 1)) == ["T05thread:2;"])
        #expect(client.send("vCont;S05:3") == [] && client.target.actions == [2: .step])
        #expect(Client.packets(client.session.receive([3])) == ["T02thread:1;"] && client.target.log.last == "pause")
        for wrong in ["vCont;x", "vCont;c:9", "vCont;"] { #expect(client.send(wrong) == ["E01"]) }
        #expect(client.send("c") == [] && client.target.actions.count == 3)
        #expect(Client.packets(client.session.report(.segmentation, of: 0)) == ["T0bthread:1;"])
        #expect(client.send("?") == ["T0bthread:1;"])
        #expect(client.send("vCont;c") == [])
        #expect(Client.packets(client.session.reportEnd(status: 42)) == ["W2a"] && client.session.hasEnded)
    }

    @Test("breakpoints have debug registers as long as there are some, and then instructions; watchpoints come first")
    func breakpoints() {
        var client = Client()
        for address in ["1001", "1002", "1003", "1004", "1005"] { #expect(client.send("Z0,\(address),1") == ["OK"]) }
        #expect(client.send("Z2,1010,8") == ["OK"] && client.send("Z4,1018,4") == ["OK"])
        #expect(client.send("Z3,1010,8") == [""])
        #expect(client.send("Z2,1011,8") == ["E01"] && client.send("Z2,1010,3") == ["E01"])
        #expect(client.send("Z1,1020,1") == ["OK"] && client.send("Z1,1021,1") == ["OK"])
        #expect(client.send("Z1,1022,1") == ["E01"])
        #expect(client.send("Z0,9000,1") == ["E01"])
        _ = client.send("c")
        #expect(client.target.plan.registers.map(\.address) == [0x1010, 0x1018, 0x1020, 0x1021])
        #expect(client.target.plan.instructions == [0x1001, 0x1002, 0x1003, 0x1004, 0x1005])
        _ = client.session.report(.interrupt, of: 0)
        for address in ["1010", "1018"] {
            #expect(client.send("z\(address == "1010" ? 2 : 4),\(address),\(address == "1010" ? 8 : 4)") == ["OK"])
        }
        _ = client.send("c")
        #expect(client.target.plan.registers.map(\.address) == [0x1020, 0x1021, 0x1001, 0x1002])
        #expect(client.target.plan.instructions == [0x1003, 0x1004, 0x1005])
        let watch = StopPoint(kind: .writeWatch, address: 0x1010, size: 8)
        #expect(Client.packets(client.session.report(.watch(watch), of: 2)) == ["T05thread:3;watch:1010;"])
        client.target.canBreak = false
        _ = client.send("Z2,1010,8")
        _ = client.send("c")
        #expect(client.target.plan.registers.map(\.address) == [0x1010] && client.target.plan.instructions.isEmpty)
        #expect(client.target.plan.stepsUntil == [0x1001, 0x1002, 0x1003, 0x1004, 0x1005, 0x1020, 0x1021])
        _ = client.session.report(.step, of: 0)
        client.target.canWatch = false
        #expect(client.send("Z2,1010,8") == [""])
    }

    @Test("the user's commands are answered in packets of their own")
    func monitor() {
        var client = Client()
        func command(_ text: String) -> [String] {
            client.send(Array("qRcmd,".utf8) + text.utf8.hexadecimal).map { packet in
                guard packet.first == "O", packet != "OK" else { return packet }
                return String(decoding: Array(packet.dropFirst().utf8).bytesFromHexadecimal ?? [], as: UTF8.self)
            }
        }
        #expect(command("slots") == ["seven\n", "OK"])
        #expect(command(" no  way ") == ["There is no command no way. The commands are: slots\n", "OK"])
        #expect(client.send("qRcmd,0") == ["E01"])
    }

    @Test(
        "detaching and killing end the session",
        arguments: [("D", "release"), ("D;1", "release"), ("k", "kill"), ("vKill;1", "kill")])
    func endings(command: String, call: String) {
        var client = Client()
        _ = client.send("Z0,1001,1")
        #expect(client.send(command) == (command == "k" ? [] : ["OK"]))
        #expect(client.session.hasEnded && client.target.log == [call])
        #expect(client.send("g") == [])
    }

    @Test(
        "whatever a client sends, the session goes on or ends, and answers each packet that it took",
        arguments: propertySeeds)
    func nonsense(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let starts = [
            "g", "G", "p", "P", "m", "M", "X", "H", "T", "Z", "z", "c", "s", "v", "vCont;", "q",
            "qXfer:features:read:target.xml:",
            "qRcmd,", "Q", "Z2,", "m1000,",
        ]
        for _ in 0..<2000 {
            var client = Client()
            for _ in 0..<8 {
                let alphabet = Array("0123456789abcdef,;:=-#$}*zZ\u{3}\u{ff}".utf8)
                let tail = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                    alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                }
                let data = Array(starts[Int.random(in: 0..<starts.count, using: &random)].utf8) + tail
                let wasRunning = client.session.isRunning
                let answers = client.send(data)
                #expect(
                    wasRunning || client.session.isRunning || client.session.hasEnded || !answers.isEmpty,
                    "seed \(seed): \(data)")
                if client.session.isRunning { _ = client.session.report(.step, of: 0) }
            }
        }
    }
}
