/* Port to Arm's MPS2 boards with a Cortex-M (AN385, AN386, AN500, AN505), which QEMU models.
 *
 * UART and timer are those of the Cortex-M System Design Kit (Arm DDI 0479, chapter 4). Where they lie is
 * what the images differ in: without port constants, as in AN385, AN386 and AN500. On Armv8-M the firmware
 * runs in secure state, as the core comes out of reset. The system clock is fixed. The time is the core's
 * cycle counter where it moves, else timer 0, which under QEMU's -icount advances with the instructions. */
#include "port.h"

#include "cycle_counter.h"

#ifndef UART0_BASE
#define UART0_BASE 0x40004000u
#define UART0_RX_INTERRUPT 0u
#define TIMER0_BASE 0x40000000u
#define DUAL_TIMER_BASE 0x40002000u
#endif

struct cmsdk_uart {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t control;
    volatile uint32_t interrupts;
    volatile uint32_t baud_divider;
};
#define UART0 ((struct cmsdk_uart *)UART0_BASE)
#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u
#define UART_CONTROL_TX_RX 3u
#define UART_CONTROL_RX_INTERRUPT (1u << 3)
#define UART_RX_INTERRUPT (1u << 1)
#define UART_LEAST_DIVIDER 16u

struct cmsdk_timer {
    volatile uint32_t control;
    volatile uint32_t value; /* counts down */
    volatile uint32_t reload;
    volatile uint32_t interrupts;
};
#define TIMER0 ((struct cmsdk_timer *)TIMER0_BASE)
#define TIMER_CONTROL_ENABLE 1u

/* One half of the dual timer. At a sixteenth of the clock it tells how often timer 0 has wrapped. */
struct cmsdk_dual_timer {
    volatile uint32_t load;
    volatile uint32_t value; /* counts down */
    volatile uint32_t control;
};
#define COARSE_TIMER ((struct cmsdk_dual_timer *)DUAL_TIMER_BASE)
#define COARSE_CONTROL_32_BIT (1u << 1)
#define COARSE_CONTROL_BY_16 (1u << 2)
#define COARSE_CONTROL_ENABLE (1u << 7)

/* Armv7-M ARM, B3.4: set-enable and clear-pending, a bit for each interrupt. */
#define NVIC_ISER ((volatile uint32_t *)0xE000E100u)
#define NVIC_ICPR ((volatile uint32_t *)0xE000E280u)
#define NVIC_WORD (UART0_RX_INTERRUPT / 32u)
#define NVIC_BIT (1u << (UART0_RX_INTERRUPT % 32u))

static enum port_timer timer;
static struct wide_counter cycles;
static struct wide_counter coarse;

void port_init(uint32_t baud) {
    const uint32_t divider = BOARD_CLOCK_HZ / baud;
    UART0->baud_divider = divider < UART_LEAST_DIVIDER ? UART_LEAST_DIVIDER : divider;
    UART0->control = UART_CONTROL_TX_RX | UART_CONTROL_RX_INTERRUPT;
    __asm volatile("cpsid i"); /* interrupts wake the core in port_read; none is ever taken */
    NVIC_ISER[NVIC_WORD] = NVIC_BIT;
    (void)UART0->data; /* drops a stale byte; QEMU looks for input only after a read */

    timer = cycle_counter_start() ? PORT_TIMER_DWT : PORT_TIMER_TICKS;
    TIMER0->reload = UINT32_MAX;
    TIMER0->value = UINT32_MAX;
    COARSE_TIMER->load = UINT32_MAX;
    COARSE_TIMER->control = COARSE_CONTROL_32_BIT | COARSE_CONTROL_BY_16 | COARSE_CONTROL_ENABLE;
    TIMER0->control = TIMER_CONTROL_ENABLE;
}

uint32_t port_clock_hz(void) {
    return BOARD_CLOCK_HZ;
}

enum port_timer port_timer(void) {
    return timer;
}

uint32_t port_timer_hz(void) {
    return BOARD_CLOCK_HZ;
}

/* Exact to the tick, and right if called once per 2^36 ticks (45 minutes). The two timers start a few ticks
 * apart, which is nothing beside the half wrap that the rounding forgives. */
static uint64_t ticks_now(void) {
    const uint64_t about = 16u * wide_counter_update(&coarse, UINT32_MAX - COARSE_TIMER->value);
    const uint32_t exact = UINT32_MAX - TIMER0->value;
    const uint64_t wraps = (about - exact + (1u << 31)) >> 32;
    return (wraps << 32) + exact;
}

uint64_t port_timer_now(void) {
    return timer == PORT_TIMER_DWT ? wide_counter_update(&cycles, cycle_counter_now()) : ticks_now();
}

/* Sleeps instead of polling: QEMU then takes 60 us a byte instead of 180, and no host CPU between them. */
int port_read(void) {
    while ((UART0->state & UART_STATE_RX_FULL) == 0) {
        __asm volatile("wfi");
    }
    const uint32_t byte = UART0->data & 0xFFu;
    UART0->interrupts = UART_RX_INTERRUPT;
    NVIC_ICPR[NVIC_WORD] = NVIC_BIT;
    return (int)byte;
}

void port_write(uint8_t byte) {
    while ((UART0->state & UART_STATE_TX_FULL) != 0) {
    }
    UART0->data = byte;
}
