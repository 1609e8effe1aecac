/* Clocks of the STM32F7x6 (ST RM0385, "Reset and clock control"). */
#ifndef STM32F7_CLOCK_H
#define STM32F7_CLOCK_H

#include <stdint.h>

struct clocks {
    uint32_t core_hz;
    uint32_t apb2_hz;       /* USART1 */
    uint32_t apb1_timer_hz; /* TIM2 */
};

/* Brings the core to BOARD_CLOCK_HZ from the crystal of HSE_HZ. Where the crystal, the PLL or the
 * over-drive never gets ready, the part stays on its 16 MHz internal oscillator; the result says so. */
struct clocks clock_start(void);

#endif
