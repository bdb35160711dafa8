import Glibc
import Host

/// A process that enters the jail and makes one call there, by the name of a case. The process of the tests has threads of others, which
/// make calls of their own.
@main
enum JailProbe {
    static func main() throws {
        let name = CommandLine.arguments.dropFirst().first ?? ""
        let gate = Semaphore()
        let earlier = try HostThread(name: "earlier") {
            gate.wait()
            if name == "earlier thread" { _ = try? ListeningSocket(.local(path: "/tmp/swiftlet-test-never")) }
        }
        let file = try SharedDescriptor(MemoryFile(name: "test"))
        try Jail.enter(
            for: name.hasPrefix("making") ? .makesMachines : name.hasPrefix("adding") ? .addsFunctions : .run)
        gate.post()
        earlier.join()
        if name.hasPrefix("vcpu") {
            try HostThread(name: "vcpu7") { inVCPU(name, file) }.join()
        } else {
            try HostThread(name: "later") { inProcess(name) }.join()
        }
    }

    static func inVCPU(_ name: String, _ shared: SharedDescriptor?) {
        guard (try? Jail.enterVCPU()) != nil else { exit(1) }
        switch name {
        case "vcpu open": if (try? FileBytes.open("/dev/null")) != nil { exit(1) }
        // SAFETY: the call reads the strings, which outlive it.
        case "vcpu rename": unsafe rename("/tmp/swiftlet-test-never", "/tmp/swiftlet-test-nor")
        case "vcpu socket": _ = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        case "vcpu request": _ = FileBytes.isTerminal(FileBytes.standardError)
        case "vcpu file size":
            if shared?.fileSize != 0 { exit(1) }
        case "vcpu works": _ = FileBytes.write([10], to: FileBytes.standardOutput)
        default: exit(2)
        }
    }

    static func inProcess(_ name: String) {
        switch name {
        case "open": if (try? FileBytes.open("/dev/null")) != nil { exit(1) }
        case "making open": if (try? FileBytes.open("/dev/null")) == nil { exit(1) }
        case "adding memory":
            guard var file = try? MemoryFile(name: "test"), (try? file.resize(to: 4096)) != nil,
                (try? KernelFigures.ofHost())?.bytes("MemAvailable") != nil
            else { exit(1) }
        case "adding open": if (try? FileBytes.open("/dev/null")) != nil { exit(1) }
        case "memory file": _ = try? MemoryFile(name: "test")
        case "making create": _ = try? FileBytes.create("/tmp/swiftlet-test-never")
        // SAFETY: the kernel chooses the address, and nobody uses the memory.
        case "executable memory": _ = unsafe mmap(nil, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        case "handler": signal(SIGSYS, SIG_IGN)
        case "kill": kill(1, 0)
        case "socket": _ = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        case "works":
            guard let figures = try? KernelFigures.ofProcess(), figures.bytes("VmHWM") ?? 0 > 1 << 20,
                let memory = try? HostMemory(size: 1 << 20, inHugePages: false)
            else { exit(1) }
            memory.write(([1] as [UInt8]).span, at: 0)
            guard let use = try? MemoryUse(from: memory.address, size: memory.size), use.resident > 0,
                (try? HostThread(name: "more") {}.join()) != nil
            else { exit(1) }
        case "earlier thread": exit(1)
        default: exit(2)
        }
    }
}
