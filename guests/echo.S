// Shows serial input without interrupts: each byte that comes in on the line goes out again, until the input ends.
//
// The guest reads the line status register again and again until it says that a byte waits. Every read is an exit to the
// monitor, and the virtual processor never rests. A driver begins like this, and grows into one like echo-irq.

#include "guest.h"

begin echo, 64
poll:
    mov dx, SERIAL_LINE_STATUS
    in al, dx
    test al, DATA_READY
    jz poll

    mov dx, SERIAL_DATA
    in al, dx
    cmp al, END_OF_INPUT
    je done
    out dx, al
    jmp poll

done:
    exit 0
end echo
