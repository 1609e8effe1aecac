/* add.h with Helium (MVE): equal to it, with the same arguments; out may be a or b. */
#ifndef MCU_ADD_MVE_H
#define MCU_ADD_MVE_H

#include "add.h"

#ifdef __cplusplus
extern "C" {
#endif

void mcu_add_s8_mve(const struct mcu_add_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
