/* average_pool.h with Helium (MVE): equal to it, with the same arguments, order of pixels and overlap. */
#ifndef MCU_AVERAGE_POOL_MVE_H
#define MCU_AVERAGE_POOL_MVE_H

#include "average_pool.h"

#ifdef __cplusplus
extern "C" {
#endif

void mcu_average_pool_s8_mve(const struct mcu_average_pool_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
