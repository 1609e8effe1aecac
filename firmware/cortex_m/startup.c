/* Startup of a Cortex-M core: vector table, memory initialisation, and the handler of every exception.
 *
 * No interrupt is ever taken, so that the table ends with the sixteen exceptions of the core. The stack
 * lies lowest in RAM: overflowing it ends in a fault, instead of in the arena. */
#include <stdint.h>

#include "memory_protection.h"
#include "port.h"

/* From the linker script. */
extern uint32_t stack_low[], stack_high[];
extern uint32_t data_load[], data_start[], data_end[];
extern uint32_t hot_load[], hot_start[], hot_end[];
extern uint32_t zero_start[], zero_end[];
extern uint32_t arena_start[], arena_end[];

int main(void);
void reset_handler(void);
void fault_handler(void);
void report_fault(const uint32_t *frame);

#define EXCEPTIONS 16

/* System Handler Control and State Register: switches on memory, bus and usage faults. Otherwise each of
 * them is a hard fault, and a hard fault whose frame finds no room on the stack locks the core up unseen. */
#define SCB_SHCSR (*(volatile uint32_t *)0xE000ED24u)
#define SCB_SHCSR_FAULTS (7u << 16)

/* Configurable Fault Status Register: the usage fault of a stack pointer below its limit; reserved, 0, on
 * Armv7-M. */
#define SCB_CFSR (*(volatile uint32_t *)0xE000ED28u)
#define SCB_CFSR_STACK_LIMIT (1u << 20)

/* Coprocessor Access Control Register: full access to 10 and 11, the vector registers. */
#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)
#define SCB_CPACR_VECTORS (0xFu << 20)

typedef void (*vector)(void);

/* The core loads the stack pointer from entry 0 and the program counter from entry 1. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack_top;
    vector handlers[EXCEPTIONS - 1];
} vectors = {
    stack_high,
    {
        reset_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
        fault_handler,
    },
};

static void copy(const uint32_t *from, uint32_t *to, const uint32_t *end) {
    while (to < end) {
        *to++ = *from++;
    }
}

static void clear(uint32_t *word, const uint32_t *end) {
    while (word < end) {
        *word++ = 0;
    }
}

/* Apart from reset_handler, as the compiler may use vector registers anywhere in it. */
__attribute__((noreturn, noinline)) static void start(void) {
    SCB_SHCSR |= SCB_SHCSR_FAULTS;
    protect_memory((uintptr_t)stack_low);
    copy(data_load, data_start, data_end);
    copy(hot_load, hot_start, hot_end);
    __asm volatile("dsb\n\tisb" ::: "memory"); /* before what was copied is executed */
    clear(zero_start, zero_end);
    clear(arena_start, arena_end);
    main();
    for (;;) {
    }
}

__attribute__((noreturn)) void reset_handler(void) {
#if defined(__ARM_FEATURE_MVE)
    SCB_CPACR |= SCB_CPACR_VECTORS;
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
    start();
}

uint8_t *port_stack_low(void) {
    return (uint8_t *)stack_low;
}

uint8_t *port_stack_high(void) {
    return (uint8_t *)stack_high;
}

static void write_text(const char *text) {
    while (*text != '\0') {
        port_write((uint8_t)*text++);
    }
}

static void write_hex(uint32_t value) {
    for (int shift = 28; shift >= 0; shift -= 4) {
        port_write((uint8_t) "0123456789abcdef"[(value >> shift) & 15u]);
    }
}

/* Says on the serial line which exception ended the program, and where, as an error of the protocol. */
__attribute__((noreturn, used)) void report_fault(const uint32_t *frame) {
    enum { FRAME_PC = 6, FRAME_WORDS = 8 };
    uint32_t exception;
    __asm volatile("mrs %0, ipsr" : "=r"(exception));
    const int overflow = frame < stack_low || (SCB_CFSR & SCB_CFSR_STACK_LIMIT) != 0;
    const uint32_t pc = frame + FRAME_WORDS <= stack_high && !overflow ? frame[FRAME_PC] : 0;
    write_text("\r\ne-[Fault: exception 0x");
    write_hex(exception);
    write_text(", pc 0x");
    write_hex(pc);
    write_text(overflow ? ", stack overflow]\r\n" : "]\r\n");
    for (;;) {
    }
}

/* After a stack overflow the stack pointer is useless, or at its limit, so the report gets the stack from its
 * top; so it does where too little is left. */
__attribute__((naked)) void fault_handler(void) {
    __asm volatile("mov   r0, sp             \n"
                   "ldr   r1, =stack_low+128 \n"
                   "cmp   r0, r1             \n"
                   "bhs   1f                 \n"
                   "ldr   r1, =stack_high    \n"
                   "mov   sp, r1             \n"
                   "1: b  report_fault       \n");
}
