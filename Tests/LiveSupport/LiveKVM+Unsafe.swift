import Glibc
import KVM

/// Whether tests can have real virtual machines here.
public enum LiveKVM {
    /// Why `/dev/kvm` cannot be used, or nil where it can.
    public static let obstacle: String? = {
        do {
            _ = try KVMSystem()
            return nil
        } catch {
            return "\(error)"
        }
    }()

    /// Whether live tests run: where KVM works, and also where it must, so that they fail instead of being skipped.
    public static let runsLiveTests = obstacle == nil || isRequired

    /// SWIFTLET_REQUIRE_KVM=1 turns a skipped live test into a failed one.
    public static let isRequired = environment("SWIFTLET_REQUIRE_KVM") == "1"

    /// How long a test of random changes goes on: SWIFTLET_LONG_SECONDS, or nil for its usual number of steps.
    public static let longRun = environment("SWIFTLET_LONG_SECONDS").flatMap { Int($0) }.map { Duration.seconds($0) }

    /// What a skipped suite says.
    public static let comment = "needs a usable /dev/kvm"

    static func environment(_ name: String) -> String? {
        // SAFETY: the string is copied before anybody changes the environment.
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
}
