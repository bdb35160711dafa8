// All of Swiftlet under one name, for programs that own a machine. A program that needs less can import less: each of these
// modules is a product.
@_exported public import Board
@_exported public import Devices
@_exported public import Host
@_exported public import Images
@_exported public import KVM
@_exported public import Layouts
@_exported public import Machine
@_exported public import Memslots
@_exported public import PCI
