/* What a microcontroller must offer to the harness: one implementation in ports/<port>/;
 * host/port.c is a process instead, for tests. */
#ifndef PORT_H
#define PORT_H

#include <stdint.h>

/* Name of a counter that advances with the program, in the order in which a port should try them. */
enum port_timer {
    PORT_TIMER_DWT,   /* cycles of the core, on real parts */
    PORT_TIMER_TICKS, /* a timer of port_timer_hz ticks per second */
};

/* Clocks, caches, UART, timer. Every wait for a clock flag is bounded: when it never comes, the port
 * stays on its reset clock and port_clock_hz says so. */
void port_init(uint32_t baud);

uint32_t port_clock_hz(void);     /* clock of the core as it really runs */
enum port_timer port_timer(void); /* the counter found to move at boot */
uint32_t port_timer_hz(void);     /* its rate */
/* Its value. Wraps are seen by reading: read it before and after what may take long. A 32-bit counter of
 * cycles, the narrowest, wraps after 20 s at 216 MHz. */
uint64_t port_timer_now(void);

int port_read(void);           /* next byte from the serial line; waits */
void port_write(uint8_t byte); /* waits until the line takes it */

/* The stack's bounds, from the linker script. */
uint8_t *port_stack_low(void);
uint8_t *port_stack_high(void);

#endif
