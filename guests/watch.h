// The numbers of the table in which the monitor says what places in memory show. `watch` describes the table.

#define TABLE 0x100000
#define TABLE_STOP 0x100000  // not zero: the guest must end
#define TABLE_COUNT 0x100008  // the number of places
#define TABLE_WORK 0x100010  // 32 bits: the work of the processors, 0 for watching the table
#define WALK_FIRST 0x100018  // the pages to walk over, 64 bits each: the address of the first, and the end
#define WALK_END 0x100020
#define ENTRIES 0x100040
#define ENTRY_SIZE 32
#define PLACE 0  // the address, 64 bits
#define SEQUENCE 8  // 32 bits, as are the next two
#define STATE 12
#define LABEL 16

// The kinds of work of the processors, other than watching the table (0).
#define HALT 1  // count one check and halt
#define WALK 2  // write to one page after the other, and count each write as a check

// The states of a place.
#define ABSENT 0
#define WRITABLE 1
#define READ_ONLY 2
#define REGISTER 3  // a register of a device, to which the guest does not write

#define RESULTS 0x300000  // a record for each processor
#define RESULT_SIZE 64
#define RESULT_SHIFT 6
#define CHECKS 0
#define ERRORS 8
#define ROUNDS 16  // the number of rounds through the whole table
#define BAD_PLACE 24  // of the first error: the address, the word that was read there, and what was read back of the own word
#define BAD_WORD 32
#define BAD_ECHO 36
#define BAD_LABEL 40
#define BAD_STATE 44

#define OWN_WORDS 64  // the offset of processor 0's word in a place. Each processor has 8 bytes

#define INIT 0x4500
#define STARTUP 0x4600

#define PROTECTED 1  // CR0.PE
#define PAGING 0x80000000  // CR0.PG
#define PHYSICAL_ADDRESS_EXTENSION 0x20  // CR4.PAE
#define EFER 0xc0000080
#define LONG_MODE 0x100  // EFER.LME
#define ROOT_TABLE 0x1000
