/* Addition of two int8 tensors of which one or both are repeated, portable: the specification of
 * add_broadcast_s8*.
 *   a, b and out: broadcast.h
 * All byte arrays, no alignment, no scratch. out may be an operand of its own size.
 * The arithmetic and its bounds are those of add.h. */
#ifndef MCU_ADD_BROADCAST_H
#define MCU_ADD_BROADCAST_H

#include <stdint.h>

#include "broadcast.h"
#include "requantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_add_broadcast_s8 {
    struct mcu_extent size;
    struct mcu_extent a_step;
    struct mcu_extent b_step;
    int32_t a_zero_point;
    int32_t b_zero_point;
    struct mcu_factor a_factor; /* to the shared scale; shift <= 0 */
    struct mcu_factor b_factor;
    struct mcu_factor sum_factor; /* from the shared scale to the output; shift <= 0 */
    struct mcu_output output;
};

void mcu_add_broadcast_s8(const struct mcu_add_broadcast_s8 *layer, const int8_t *a, const int8_t *b,
                          int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
