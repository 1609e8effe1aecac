/* The few registers of the STM32F7x6 that the port touches; names and layout as in ST RM0385. */
#ifndef STM32F7_REGISTERS_H
#define STM32F7_REGISTERS_H

#include <stdint.h>

/* Constants of the board's file, 0 or 1. */
#ifndef INSTRUCTION_CACHE
#define INSTRUCTION_CACHE 1
#endif
#ifndef DATA_CACHE
#define DATA_CACHE 1
#endif
/* Both act on what is read over the ITCM bus, from 0x00200000 on; through the AXI bus, from 0x08000000 on,
 * the caches do their work (RM0385, "Adaptive real-time memory accelerator"). */
#ifndef FLASH_PREFETCH
#define FLASH_PREFETCH 1
#endif
#ifndef FLASH_ACCELERATOR
#define FLASH_ACCELERATOR 1
#endif

struct rcc {
    volatile uint32_t cr, pllcfgr, cfgr, cir;
    volatile uint32_t ahb1rstr, ahb2rstr, ahb3rstr, reserved1;
    volatile uint32_t apb1rstr, apb2rstr, reserved2[2];
    volatile uint32_t ahb1enr, ahb2enr, ahb3enr, reserved3;
    volatile uint32_t apb1enr, apb2enr;
};
_Static_assert(sizeof(struct rcc) == 0x48, "RCC_APB2ENR lies at 0x44");
#define RCC ((struct rcc *)0x40023800u)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_N_SHIFT 6
#define RCC_PLLCFGR_P_IS_2 0u
#define RCC_PLLCFGR_SOURCE_HSE (1u << 22)
#define RCC_PLLCFGR_Q_SHIFT 24
#define RCC_CFGR_SWITCH_PLL 2u
#define RCC_CFGR_STATUS (3u << 2)
#define RCC_CFGR_STATUS_PLL (2u << 2)
#define RCC_CFGR_APB1_BY_4 (5u << 10)
#define RCC_CFGR_APB2_BY_2 (4u << 13)
#define RCC_AHB1ENR_GPIOA (1u << 0)
#define RCC_AHB1ENR_GPIOB (1u << 1)
#define RCC_APB1ENR_TIM2 (1u << 0)
#define RCC_APB1ENR_PWREN (1u << 28)
#define RCC_APB2ENR_USART1 (1u << 4)

struct pwr {
    volatile uint32_t cr1, csr1;
};
#define PWR ((struct pwr *)0x40007000u)
#define PWR_CR1_VOS_SCALE_1 (3u << 14)
#define PWR_CR1_ODEN (1u << 16)
#define PWR_CR1_ODSWEN (1u << 17)
#define PWR_CSR1_ODRDY (1u << 16)
#define PWR_CSR1_ODSWRDY (1u << 17)

struct flash {
    volatile uint32_t acr;
};
#define FLASH ((struct flash *)0x40023C00u)
#define FLASH_ACR_LATENCY 15u
#define FLASH_ACR_7_WAIT_STATES 7u
#define FLASH_ACR_PREFETCH (1u << 8)
#define FLASH_ACR_ACCELERATOR (1u << 9)

struct gpio {
    volatile uint32_t moder, otyper, ospeedr, pupdr, idr, odr, bsrr, lckr, afr[2];
};
#define GPIOA ((struct gpio *)0x40020000u)
#define GPIOB ((struct gpio *)0x40020400u)

struct usart {
    volatile uint32_t cr1, cr2, cr3, brr, gtpr, rtor, rqr, isr, icr, rdr, tdr;
};
#define USART1 ((struct usart *)0x40011000u)
#define USART_CR1_UE (1u << 0)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_ISR_ORE (1u << 3)
#define USART_ISR_RXNE (1u << 5)
#define USART_ISR_TXE (1u << 7)
#define USART_ICR_ORECF (1u << 3)

struct tim2 {
    volatile uint32_t cr1, reserved[8], cnt, psc, arr;
};
_Static_assert(sizeof(struct tim2) == 0x30, "TIM2_ARR lies at 0x2C");
#define TIM2 ((struct tim2 *)0x40000000u)
#define TIM_CR1_CEN 1u

#endif
