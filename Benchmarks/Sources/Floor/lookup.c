#include "Floor.h"

#include <stdlib.h>

struct record {
    uint64_t last, host;
    uint32_t id, flags;
};

struct floor_table {
    size_t count;
    /// The first addresses in order. The search touches nothing else.
    uint64_t *starts;
    struct record *records;
};

struct floor_table *floor_table_create(const struct floor_slot *slots, size_t count) {
    struct floor_table *table = malloc(sizeof *table);
    *table = (struct floor_table){count, malloc(count * sizeof(uint64_t)), malloc(count * sizeof(struct record))};
    for (size_t i = 0; i < count; i++) {
        table->starts[i] = slots[i].guest;
        table->records[i] =
            (struct record){slots[i].guest + slots[i].size - 1, slots[i].offset, slots[i].id, slots[i].flags};
    }
    return table;
}

void floor_table_destroy(struct floor_table *table) {
    free(table->starts);
    free(table->records);
    free(table);
}

/// Returns the number of slots that begin at or below `address`.
static inline size_t count_at_most(const struct floor_table *table, uint64_t address) {
    const uint64_t *base = table->starts;
    size_t length = table->count;
    while (length > 1) {
        size_t half = length / 2;
        size_t mask = -(size_t)(base[half - 1] <= address);
        // This hides the mask from the compiler, which would turn a choice or a product back into a branch.
        __asm__("" : "+r"(mask));
        base += half & mask;
        length -= half;
    }
    return (size_t)(base - table->starts) + (*base <= address);
}

uint64_t floor_sum_ids(const struct floor_table *table, const uint64_t *addresses, size_t count, uint64_t hole) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        size_t below = count_at_most(table, addresses[i]);
        sum += below > 0 && addresses[i] <= table->records[below - 1].last ? table->records[below - 1].id : hole;
    }
    return sum;
}

uint64_t floor_sum_finds(const struct floor_table *table, const uint64_t *addresses, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        size_t below = count_at_most(table, addresses[i]);
        const struct record *record = &table->records[below - 1];
        if (below > 0 && addresses[i] <= record->last) {
            sum += table->starts[below - 1] + record->last + record->host + record->id + record->flags;
        } else {
            sum += below > 0 ? record->last + 1 : 0;
            sum += below < table->count ? table->starts[below] - 1 : UINT64_MAX;
        }
    }
    return sum;
}
