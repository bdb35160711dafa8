/// Shrinks a list for which a test fails. Each smaller list is kept if the test still fails. First, ever shorter stretches are
/// left out (Zeller and Hildebrandt's delta debugging). Then, elements are replaced by simpler ones.
///
/// - Parameters:
///   - simpler: Returns the variants of an element, the simplest first.
///   - fails: Returns whether the test fails for a list.
func shrink<Element, Failure: Error>(
    _ list: [Element], simpler: (Element) -> [Element], fails: ([Element]) throws(Failure) -> Bool
) throws(Failure) -> [Element] {
    var list = list
    var isSimpler: Bool
    repeat {
        list = try leaveOut(of: list, fails: fails)
        isSimpler = false
        for index in list.indices {
            for candidate in simpler(list[index]) {
                var variant = list
                variant[index] = candidate
                guard try fails(variant) else { continue }
                list = variant
                isSimpler = true
                break
            }
        }
    } while isSimpler
    return list
}

private func leaveOut<Element, Failure: Error>(
    of list: [Element], fails: ([Element]) throws(Failure) -> Bool
) throws(Failure) -> [Element] {
    var list = list
    var length = max(1, list.count / 2)
    while true {
        let count = list.count
        var start = 0
        while start < list.count {
            var shorter = list
            shorter.removeSubrange(start..<min(start + length, list.count))
            if try fails(shorter) {
                list = shorter
            } else {
                start += length
            }
        }
        if length > 1 {
            length = (length + 1) / 2
        } else if list.count == count {
            return list
        }
    }
}
