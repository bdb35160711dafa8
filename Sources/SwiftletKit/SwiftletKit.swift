// All of Swiftlet for programs that own a machine, by one name. Who needs less imports less: each of these modules is a product.
@_exported public import Board
@_exported public import Devices
@_exported public import Host
@_exported public import Images
@_exported public import KVM
@_exported public import Layouts
@_exported public import Machine
@_exported public import Memslots
@_exported public import PCI
