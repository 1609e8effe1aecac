/* A program for tests of the ports: says clock and timer, then echoes; 't' tells what a fixed loop takes on
 * the timer, 'o' overflows the stack. */
#include "port.h"

#ifndef PROBE_ARENA_BYTES
#define PROBE_ARENA_BYTES 1024
#endif
static volatile uint8_t model_arena[PROBE_ARENA_BYTES];

/* Called where a test brings a source that has it. */
__attribute__((weak)) void probe_extra(void);

static void say(const char *text) {
    while (*text != '\0') {
        port_write((uint8_t)*text++);
    }
}

static void say_number(uint64_t number) {
    char digits[21];
    int at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    say(digits + at);
}

static void say_value(const char *name, uint64_t value) {
    say(name);
    say("=");
    say_number(value);
    say("\r\n");
}

static uint64_t time_of_a_loop(void) {
    const uint64_t start = port_timer_now();
    for (volatile int i = 0; i < 100000; i++) {
    }
    return port_timer_now() - start;
}

static int overflow(int depth) {
    volatile uint8_t frame[256];
    frame[0] = (uint8_t)depth;
    return overflow(depth + 1) + frame[0];
}

static volatile int initialised = 42;

int main(void) {
    port_init(BOARD_BAUD);
    say_value("clock", port_clock_hz());
    say_value("timer", port_timer());
    say_value("timer_hz", port_timer_hz());
    say_value("initialised", (uint64_t)initialised);
    say_value("cleared", model_arena[sizeof model_arena - 1] == 0);
    if (probe_extra != 0) {
        probe_extra();
    }
    say("ready\r\n");
    for (;;) {
        const int byte = port_read();
        if (byte == 't') {
            say_value("loop", time_of_a_loop());
        } else if (byte == 'o') {
            initialised = overflow(initialised);
        } else {
            port_write((uint8_t)byte);
        }
    }
}
