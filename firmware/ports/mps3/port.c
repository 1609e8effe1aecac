/* Port to Arm's MPS3 board with a Cortex-M55 (FPGA image AN547), which QEMU models.
 *
 * The UART is that of the Cortex-M System Design Kit (Arm DDI 0479, chapter 4), the subsystem around the core
 * an SSE-300 (Arm 101773). The firmware runs in secure state, as the core comes out of reset. The clocks are
 * fixed. The time is the core's cycle counter where it moves, else the subsystem's system counter, which
 * under QEMU's -icount advances with the instructions. */
#include "port.h"

#include "cycle_counter.h"

struct cmsdk_uart {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t control;
    volatile uint32_t interrupts;
    volatile uint32_t baud_divider;
};
#define UART0 ((struct cmsdk_uart *)0x49303000u)
#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u
#define UART_CONTROL_TX_RX 3u
#define UART_CONTROL_RX_INTERRUPT (1u << 3)
#define UART_RX_INTERRUPT (1u << 1)
#define UART_LEAST_DIVIDER 16u

/* The system counter's two frames: what drives it, which only secure code sees, and its 64-bit value. */
#define COUNTER_CONTROL (*(volatile uint32_t *)0x58100000u)
#define COUNTER_CONTROL_ENABLE 1u
#define COUNTER_LOW (*(volatile uint32_t *)0x48101000u)
#define COUNTER_HIGH (*(volatile uint32_t *)0x48101004u)

/* Armv8-M ARM, D1.2: set-enable and clear-pending. UART0's receive interrupt is number 33. */
#define NVIC_ISER1 (*(volatile uint32_t *)0xE000E104u)
#define NVIC_ICPR1 (*(volatile uint32_t *)0xE000E284u)
#define NVIC_UART0_RX (1u << (33 - 32))

static enum port_timer timer;
static struct wide_counter cycles;

void port_init(uint32_t baud) {
    const uint32_t divider = PERIPHERAL_HZ / baud;
    UART0->baud_divider = divider < UART_LEAST_DIVIDER ? UART_LEAST_DIVIDER : divider;
    UART0->control = UART_CONTROL_TX_RX | UART_CONTROL_RX_INTERRUPT;
    __asm volatile("cpsid i"); /* interrupts wake the core in port_read; none is ever taken */
    NVIC_ISER1 = NVIC_UART0_RX;
    (void)UART0->data; /* drops a stale byte; QEMU looks for input only after a read */

    timer = cycle_counter_start() ? PORT_TIMER_DWT : PORT_TIMER_TICKS;
    COUNTER_CONTROL = COUNTER_CONTROL_ENABLE;
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

/* Read again where the lower half wrapped between the two. */
static uint64_t ticks_now(void) {
    uint32_t high;
    uint32_t low;
    do {
        high = COUNTER_HIGH;
        low = COUNTER_LOW;
    } while (high != COUNTER_HIGH);
    return (uint64_t)high << 32 | low;
}

uint64_t port_timer_now(void) {
    return timer == PORT_TIMER_DWT ? wide_counter_update(&cycles, cycle_counter_now()) : ticks_now();
}

/* Sleeps instead of polling, which takes no host CPU between bytes. */
int port_read(void) {
    while ((UART0->state & UART_STATE_RX_FULL) == 0) {
        __asm volatile("wfi");
    }
    const uint32_t byte = UART0->data & 0xFFu;
    UART0->interrupts = UART_RX_INTERRUPT;
    NVIC_ICPR1 = NVIC_UART0_RX;
    return (int)byte;
}

void port_write(uint8_t byte) {
    while ((UART0->state & UART_STATE_TX_FULL) != 0) {
    }
    UART0->data = byte;
}
