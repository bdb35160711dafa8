// Shows serial input without interrupts: what comes in on the line goes out again, until the input ends.
//
// The line status register is read again and again until it says that a byte waits. Every read is an exit to the
// monitor, and the virtual processor never rests: this is how a driver begins, and echo-irq is what it grows into.

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
