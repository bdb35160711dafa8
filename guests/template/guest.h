// The parts of the machine that a guest in C needs: ports, a console, and the end of the run.
#pragma once

#include <stdint.h>

enum { CONSOLE_PORT = 0x3f8, EXIT_PORT = 0xf4 };

static inline void write_port8(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t read_port8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void write_port32(uint16_t port, uint32_t value) {
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t read_port32(uint16_t port) {
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

// Prints a text on the console, which is a serial port whose transmitter is always ready.
static inline void print(const char *text) {
    for (; *text; text++) write_port8(CONSOLE_PORT, (uint8_t)*text);
}

// Prints a number in hexadecimal digits.
static inline void print_number(uint64_t number) {
    print("0x");
    for (int shift = 60; shift >= 0; shift -= 4) write_port8(CONSOLE_PORT, (uint8_t)"0123456789abcdef"[number >> shift & 15]);
}

// Ends the run. The low byte of the status is the exit status of `swiftlet run`.
__attribute__((noreturn)) static inline void end(uint8_t status) {
    write_port8(EXIT_PORT, status);
    for (;;) __asm__ volatile("hlt");
}
