#include "stack_mark.h"

#include "port.h"

enum {
    PAINT = 0xa5,
    OWN_FRAME_BYTES = 128, /* stays unpainted below the frame address: this function's own locals */
};

/* Not inlined, so that its frame lies below everything that main keeps. */
__attribute__((noinline)) void stack_mark_paint(void) {
    volatile uint8_t *byte = port_stack_low();
    const uintptr_t end = (uintptr_t)__builtin_frame_address(0) - OWN_FRAME_BYTES;
    for (; (uintptr_t)byte < end; byte++) {
        *byte = PAINT;
    }
}

uint32_t stack_mark_used(void) {
    const volatile uint8_t *byte = port_stack_low();
    const uintptr_t end = (uintptr_t)port_stack_high();
    while ((uintptr_t)byte < end && *byte == PAINT) {
        byte++;
    }
    return (uint32_t)(end - (uintptr_t)byte);
}

uint32_t stack_mark_bytes(void) {
    return (uint32_t)(port_stack_high() - port_stack_low());
}
