extension PCIFunction {
    /// What it means that the bits `changed` of the register at `offset` are other than before.
    mutating func change(at offset: UInt64, _ changed: UInt32) -> ConfigChange {
        var change = ConfigChange()
        switch offset {
        case ConfigOffset.commandAndStatus:
            change.portDecode = changed & CommandBits.ports == 0 ? nil : decodesPorts
            change.memoryDecode = changed & CommandBits.memory == 0 ? nil : decodesMemory
            change.busMaster = changed & CommandBits.busMaster == 0 ? nil : isBusMaster
            change.affectsDecodedMemory = change.memoryDecode != nil
            change.messages = takePendingMessages()
        case ConfigOffset.bars..<ConfigOffset.bars + 24:
            barMoved(Int((offset - ConfigOffset.bars) / 4), &change)
        case ConfigOffset.rom:
            let isEnableChanged = changed & ConfigSpace.romEnable != 0
            let isMoved = changed & ~ConfigSpace.romEnable != 0
            change.romEnable = isEnableChanged ? isROMEnabled : nil
            change.moved = isMoved ? [.rom] : []
            change.affectsDecodedMemory = decodesMemory && (isEnableChanged || isROMEnabled)
        case ConfigOffset.msi where description.msiVectors != nil:
            change.msiEnable = changed & MSIControlBits.enable == 0 ? nil : isMSIEnabled
            dropUnallocatedMSI()
            change.messages = takePendingMessages()
        case ConfigOffset.msiMask where description.msiVectors != nil:
            change.messages = takePendingMessages()
        case ConfigOffset.msix where description.msix != nil:
            change.msixEnable = changed & MSIXControlBits.enable == 0 ? nil : isMSIXEnabled
            change.msixFunctionMask = changed & MSIXControlBits.functionMask == 0 ? nil : isMSIXFunctionMasked
            if !isMSIXEnabled {
                msix?.clearPending()
            }
            change.messages = takePendingMessages()
        default:
            break
        }
        return change
    }

    private func barMoved(_ place: Int, _ change: inout ConfigChange) {
        // The upper half of a 64-bit BAR has no number of its own.
        let number = description.bars[place] == nil ? place - 1 : place
        change.moved = [.bar(number)]
        change.affectsDecodedMemory = decodesMemory && description.bars[number]?.kind != .io
    }
}
