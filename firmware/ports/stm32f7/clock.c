#include "clock.h"

#include "registers.h"

#define HSI_HZ 16000000u

/* PLL: crystal / M = 1 MHz, times N, divided by P = 2 (RM0385, RCC_PLLCFGR: input of 1 to 2 MHz,
 * N 50 to 432, oscillator 100 to 432 MHz). Q = 9 keeps the unused 48 MHz output within its range. */
#define PLL_M (HSE_HZ / 1000000u)
#define PLL_N (BOARD_CLOCK_HZ / 1000000u * 2u)
#define PLL_Q 9u
_Static_assert(HSE_HZ % 1000000u == 0 && PLL_M >= 2 && PLL_M <= 63, "HSE_HZ: whole MHz, 2 to 63");
_Static_assert(BOARD_CLOCK_HZ % 1000000u == 0 && PLL_N >= 50 && PLL_N <= 432,
               "clock_hz: whole MHz, 25 to 216");

/* A crystal takes about 2 ms to start, the PLL 0.3 ms (DS10916, "Electrical characteristics"); a round of
 * the loop takes at least 4 cycles of 62.5 ns, so that this is at least 50 ms. */
#define MOST_POLLS 200000u

static int becomes(const volatile uint32_t *flags, uint32_t mask, uint32_t wanted) {
    for (uint32_t poll = 0; poll < MOST_POLLS; poll++) {
        if ((*flags & mask) == wanted) {
            return 1;
        }
    }
    return 0;
}

/* RM0385, "Entering Over-drive mode": with the PLL on, before the switch, for more than 180 MHz. */
static int raise_core_voltage(void) {
    PWR->cr1 |= PWR_CR1_ODEN;
    if (!becomes(&PWR->csr1, PWR_CSR1_ODRDY, PWR_CSR1_ODRDY)) {
        return 0;
    }
    PWR->cr1 |= PWR_CR1_ODSWEN;
    return becomes(&PWR->csr1, PWR_CSR1_ODSWRDY, PWR_CSR1_ODSWRDY);
}

static int switch_to_pll(void) {
    RCC->cr |= RCC_CR_HSEON;
    if (!becomes(&RCC->cr, RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return 0;
    }
    RCC->pllcfgr = PLL_M | PLL_N << RCC_PLLCFGR_N_SHIFT | RCC_PLLCFGR_P_IS_2 | RCC_PLLCFGR_SOURCE_HSE |
                   PLL_Q << RCC_PLLCFGR_Q_SHIFT;
    RCC->apb1enr |= RCC_APB1ENR_PWREN;
    (void)RCC->apb1enr; /* two bus cycles pass before the peripheral answers */
    PWR->cr1 |= PWR_CR1_VOS_SCALE_1;
    RCC->cr |= RCC_CR_PLLON;
    if (!becomes(&RCC->cr, RCC_CR_PLLRDY, RCC_CR_PLLRDY) || !raise_core_voltage()) {
        return 0;
    }
    /* Seven wait states serve 216 MHz at 2.7 V and more (RM0385, "Relation between CPU clock frequency
     * and flash memory read time"); the manual asks to read the setting back before the clock is raised. */
    FLASH->acr = FLASH_ACR_7_WAIT_STATES | (FLASH_PREFETCH ? FLASH_ACR_PREFETCH : 0) |
                 (FLASH_ACCELERATOR ? FLASH_ACR_ACCELERATOR : 0);
    if (!becomes(&FLASH->acr, FLASH_ACR_LATENCY, FLASH_ACR_7_WAIT_STATES)) {
        return 0;
    }
    RCC->cfgr = RCC_CFGR_APB1_BY_4 | RCC_CFGR_APB2_BY_2; /* 54 and 108 MHz, their highest */
    RCC->cfgr |= RCC_CFGR_SWITCH_PLL;
    return becomes(&RCC->cfgr, RCC_CFGR_STATUS, RCC_CFGR_STATUS_PLL);
}

static void stay_on_internal_oscillator(void) {
    RCC->cfgr = 0;
    RCC->cr &= ~(RCC_CR_PLLON | RCC_CR_HSEON);
}

struct clocks clock_start(void) {
    if (switch_to_pll()) {
        /* Timers of a divided bus run at twice the bus's clock. */
        return (struct clocks){BOARD_CLOCK_HZ, BOARD_CLOCK_HZ / 2u, BOARD_CLOCK_HZ / 2u};
    }
    stay_on_internal_oscillator();
    return (struct clocks){HSI_HZ, HSI_HZ, HSI_HZ};
}
