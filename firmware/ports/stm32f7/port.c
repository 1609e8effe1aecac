/* Port to the STM32F7x6: 216 MHz with caches, USART1 on PA9 (out) and PB7 (in), which the F746G-DISCO
 * leads to its ST-LINK's virtual COM port (ST UM1907).
 *
 * The time is the core's cycle counter; where that stands still, the 32-bit timer TIM2. */
#include "port.h"

#include "caches.h"
#include "clock.h"
#include "cycle_counter.h"
#include "registers.h"

#define MODER_ALTERNATE 2u
#define AF_USART1 7u /* DS10916, "Alternate function mapping": AF7 on PA9 and PB7 */

static struct clocks clocks;
static enum port_timer timer;
static struct wide_counter counter;

static void lead_pin_to_usart1(struct gpio *gpio, uint32_t pin) {
    const uint32_t nibble = 4u * (pin % 8u);
    gpio->afr[pin / 8u] = (gpio->afr[pin / 8u] & ~(15u << nibble)) | AF_USART1 << nibble;
    gpio->moder = (gpio->moder & ~(3u << (2u * pin))) | MODER_ALTERNATE << (2u * pin);
}

static void start_usart1(uint32_t baud) {
    RCC->ahb1enr |= RCC_AHB1ENR_GPIOA | RCC_AHB1ENR_GPIOB;
    RCC->apb2enr |= RCC_APB2ENR_USART1;
    (void)RCC->apb2enr; /* two bus cycles pass before the peripherals answer */
    lead_pin_to_usart1(GPIOA, 9);
    lead_pin_to_usart1(GPIOB, 7);
    USART1->brr = (clocks.apb2_hz + baud / 2u) / baud; /* 16 samples a bit, 8N1 */
    USART1->cr1 = USART_CR1_UE | USART_CR1_RE | USART_CR1_TE;
}

static void start_tim2(void) {
    RCC->apb1enr |= RCC_APB1ENR_TIM2;
    (void)RCC->apb1enr;
    TIM2->arr = UINT32_MAX;
    TIM2->cr1 = TIM_CR1_CEN;
}

void port_init(uint32_t baud) {
    if (INSTRUCTION_CACHE) {
        enable_instruction_cache();
    }
    if (DATA_CACHE) {
        enable_data_cache();
    }
    clocks = clock_start();
    start_usart1(baud);
    timer = cycle_counter_start() ? PORT_TIMER_DWT : PORT_TIMER_TICKS;
    if (timer == PORT_TIMER_TICKS) {
        start_tim2();
    }
}

uint32_t port_clock_hz(void) {
    return clocks.core_hz;
}

enum port_timer port_timer(void) {
    return timer;
}

uint32_t port_timer_hz(void) {
    return timer == PORT_TIMER_DWT ? clocks.core_hz : clocks.apb1_timer_hz;
}

uint64_t port_timer_now(void) {
    return wide_counter_update(&counter, timer == PORT_TIMER_DWT ? cycle_counter_now() : TIM2->cnt);
}

int port_read(void) {
    while ((USART1->isr & USART_ISR_RXNE) == 0) {
        (void)port_timer_now(); /* so that no wrap goes unseen while the host is silent */
    }
    if ((USART1->isr & USART_ISR_ORE) != 0) {
        USART1->icr = USART_ICR_ORECF; /* a byte was lost; the protocol's checksum will tell */
    }
    return (int)(USART1->rdr & 0xFFu);
}

void port_write(uint8_t byte) {
    while ((USART1->isr & USART_ISR_TXE) == 0) {
    }
    USART1->tdr = byte;
}
