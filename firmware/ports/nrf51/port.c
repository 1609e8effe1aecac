/* Port to the nRF51 (Cortex-M0, 16 MHz): UART on the pins TXD_PIN and RXD_PIN, and TIMER0, which counts the
 * clocks of the core. Registers: nRF51 Series Reference Manual v3.0, chapters CLOCK, TIMER and UART. */
#include "port.h"

#include "cycle_counter.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define CLOCK_HFCLKSTART REGISTER(0x40000000u) /* starts the crystal, exact enough for a serial line */
#define CLOCK_HFCLKSTARTED REGISTER(0x40000100u)
#define CRYSTAL_POLLS 100000u /* it takes 0.4 ms to start (data sheet); a poll takes at least 4 clocks */

#define UART_STARTRX REGISTER(0x40002000u)
#define UART_STARTTX REGISTER(0x40002008u)
#define UART_RXDRDY REGISTER(0x40002108u)
#define UART_TXDRDY REGISTER(0x4000211Cu)
#define UART_INTENSET REGISTER(0x40002304u)
#define UART_ENABLE REGISTER(0x40002500u)
#define UART_PSELTXD REGISTER(0x4000250Cu)
#define UART_PSELRXD REGISTER(0x40002514u)
#define UART_RXD REGISTER(0x40002518u)
#define UART_TXD REGISTER(0x4000251Cu)
#define UART_BAUDRATE REGISTER(0x40002524u)
#define UART_ENABLE_ENABLED 4u
#define UART_INTEN_RXDRDY (1u << 2)
#define UART_BAUDRATE_MASK 0xFFFFF000u /* 2^32 bauds are the clock, to a multiple of 2^12 */

#define GPIO_OUTSET REGISTER(0x50000508u)
#define GPIO_DIRSET REGISTER(0x50000518u)

#define TIMER0_START REGISTER(0x40008000u)
#define TIMER0_CAPTURE0 REGISTER(0x40008040u)
#define TIMER0_BITMODE REGISTER(0x40008508u)
#define TIMER0_PRESCALER REGISTER(0x40008510u)
#define TIMER0_CC0 REGISTER(0x40008540u)
#define TIMER_BITMODE_32 3u

/* Armv6-M ARM, B3.4: set-enable and clear-pending. The UART is interrupt number 2. */
#define NVIC_ISER REGISTER(0xE000E100u)
#define NVIC_ICPR REGISTER(0xE000E280u)
#define NVIC_UART (1u << 2)

static struct wide_counter ticks;

/* Both oscillators run at BOARD_CLOCK_HZ: without the crystal only the baud rate is less exact. */
static void start_crystal(void) {
    CLOCK_HFCLKSTART = 1;
    for (uint32_t polls = 0; CLOCK_HFCLKSTARTED == 0 && polls < CRYSTAL_POLLS; polls++) {
    }
}

static void start_uart(uint32_t baud) {
    GPIO_OUTSET = 1u << TXD_PIN; /* the line idles high before the UART takes the pin */
    GPIO_DIRSET = 1u << TXD_PIN;
    UART_PSELTXD = TXD_PIN;
    UART_PSELRXD = RXD_PIN;
    UART_BAUDRATE = (uint32_t)((((uint64_t)baud << 32) / BOARD_CLOCK_HZ + (1u << 11)) & UART_BAUDRATE_MASK);
    UART_ENABLE = UART_ENABLE_ENABLED;
    UART_INTENSET = UART_INTEN_RXDRDY;
    UART_STARTTX = 1;
    UART_STARTRX = 1;
}

void port_init(uint32_t baud) {
    __asm volatile("cpsid i"); /* interrupts wake the core in port_read; none is ever taken */
    NVIC_ISER = NVIC_UART;
    start_crystal();
    start_uart(baud);
    TIMER0_BITMODE = TIMER_BITMODE_32;
    TIMER0_PRESCALER = 0;
    TIMER0_START = 1;
}

uint32_t port_clock_hz(void) {
    return BOARD_CLOCK_HZ;
}

enum port_timer port_timer(void) {
    return PORT_TIMER_TICKS;
}

uint32_t port_timer_hz(void) {
    return BOARD_CLOCK_HZ;
}

/* Wraps after 268 s. */
uint64_t port_timer_now(void) {
    TIMER0_CAPTURE0 = 1;
    return wide_counter_update(&ticks, TIMER0_CC0);
}

int port_read(void) {
    while (UART_RXDRDY == 0) {
        __asm volatile("wfi");
    }
    UART_RXDRDY = 0; /* before the read, which lets the next byte raise it again */
    const uint32_t byte = UART_RXD & 0xFFu;
    NVIC_ICPR = NVIC_UART;
    return (int)byte;
}

void port_write(uint8_t byte) {
    UART_TXD = byte;
    while (UART_TXDRDY == 0) {
    }
    UART_TXDRDY = 0;
}
