/* Pieces of an answer, written to the port as they are made: no buffer, no heap, no printf. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdint.h>

#include "mcu_model.h"

void answer_text(const char *text);
void answer_number(uint64_t value);                           /* decimal */
void answer_byte(uint8_t byte);                               /* two hexadecimal digits, lower case */
void answer_end(void);                                        /* CR LF */
void answer_line(const char *text);                           /* text, CR LF */
void answer_count(const char *key, uint64_t value);           /* key, decimal value, CR LF */
void answer_bracketed(const char *key, const char *text);     /* key[text], CR LF */
void answer_refusal(const char *reason);                      /* e-[reason], CR LF */
void answer_refusal_of(const char *reason, const char *word); /* e-[reasonword], CR LF */

/* (q - zero_point) * scale with three decimals, half away from zero, clamped to +-2^63 thousandths. */
void answer_real(int8_t q, const struct mcu_tensor *tensor);

#endif
