import Memslots

extension DecodedMemory {
    /// Finds all regions anew, by precedence.
    mutating func recompute() -> Change {
        let old = index.regions
        var index = RegionIndex()
        var shown: [FunctionAddress: [DecodedRegion]] = [:]
        func show(_ region: DecodedRegion) -> Bool {
            guard index.isFree(region.range) else { return false }
            index.insert(region)
            shown[region.owner.function, default: []].append(region)
            return true
        }

        hiddenCount = 0
        for function in claims.keys.sorted() {
            for region in claims[function]?.regions ?? [] where !show(region) {
                hiddenCount += 1
            }
        }
        if policy == .lazy {
            for region in old where claims[region.owner.function]?.letsStand(region) ?? false {
                _ = show(region)
            }
        }
        self.index = index
        self.shown = shown.mapValues { $0.sorted { $0.range.first < $1.range.first } }
        return Self.difference(old, index.regions)
    }

    /// What leads from `old` to `new`, both in address order and each disjoint.
    static func difference(_ old: [DecodedRegion], _ new: [DecodedRegion]) -> Change {
        var change = Change()
        var oldIndex = 0
        var newIndex = 0
        while oldIndex < old.count || newIndex < new.count {
            if newIndex == new.count || oldIndex < old.count && old[oldIndex].range.first < new[newIndex].range.first {
                change.removed.append(old[oldIndex])
                oldIndex += 1
            } else if oldIndex == old.count || new[newIndex].range.first < old[oldIndex].range.first {
                change.added.append(new[newIndex])
                newIndex += 1
            } else {
                if old[oldIndex] != new[newIndex] {
                    change.removed.append(old[oldIndex])
                    change.added.append(new[newIndex])
                }
                oldIndex += 1
                newIndex += 1
            }
        }
        return change
    }
}
