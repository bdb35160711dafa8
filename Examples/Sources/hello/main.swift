import SwiftletKit

// Boots the guest in a file, or the built-in guest `hello`: swift run --package-path Examples hello guests/template/hello.elf
let path = CommandLine.arguments.dropFirst().first
let guest = try path.map { try GuestImage(contentsOf: $0) } ?? GuestImage(BuiltInGuest.named("hello")?.image ?? [])
let console = GuestConsole()
let running = try GuestMachine(guest, console: console).start(timeout: .seconds(10))
print(await console.text())
print(try await running.waitForEnd().outcome)
