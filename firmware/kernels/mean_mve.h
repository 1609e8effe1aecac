/* mean.h with Helium (MVE): equal to it, with the same arguments. */
#ifndef MCU_MEAN_MVE_H
#define MCU_MEAN_MVE_H

#include "mean.h"

#ifdef __cplusplus
extern "C" {
#endif

void mcu_mean_s8_mve(const struct mcu_mean_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
