import Testing

@testable import Host

@Suite("Memory of control groups")
struct ControlGroupTests {
    private func group(_ files: [String: String]) -> [UInt64]? {
        KernelLimits.controlGroup { files[$0] }.map { [$0.limit, $0.left] }
    }

    @Test("of version 2, the one with the least left")
    func second() {
        let own = ["/proc/self/cgroup": "0::/a/b\n"]
        #expect(group(own) == nil)
        var files = own
        files["/sys/fs/cgroup/a/b/memory.max"] = "max\n"
        #expect(group(files) == nil)
        files["/sys/fs/cgroup/a/memory.max"] = "1000\n"
        #expect(group(files) == [1000, 1000])
        files["/sys/fs/cgroup/a/memory.current"] = "900\n"
        files["/sys/fs/cgroup/a/b/memory.max"] = "500\n"
        files["/sys/fs/cgroup/a/b/memory.current"] = "10\n"
        #expect(group(files) == [1000, 100])
        files["/sys/fs/cgroup/a/b/memory.current"] = "600\n"
        #expect(group(files) == [500, 0])
    }

    @Test("of version 1, by its controller")
    func first() {
        let files = [
            "/proc/self/cgroup": "5:cpu,cpuacct:/c\n4:hugetlb,memory:/m\n0::/\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/memory/m/memory.limit_in_bytes": "4096\n",
            "/sys/fs/cgroup/memory/m/memory.usage_in_bytes": "96\n",
            "/sys/fs/cgroup/c/memory.max": "1\n",
        ]
        #expect(group(files) == [4096, 4000])
    }

    @Test("that nobody can read have no limit", arguments: ["", "nonsense", "::", "0::", "x:memory"])
    func unreadable(text: String) {
        #expect(group(["/proc/self/cgroup": text]) == nil)
        #expect(group([:]) == nil)
    }
}
