#include "add_broadcast.h"

#include "shared_scale.h"

MCU_INLINE int8_t sum(const void *layer, int8_t a, int8_t b) {
    const struct mcu_add_broadcast_s8 *l = (const struct mcu_add_broadcast_s8 *)layer;
    const int32_t sum = mcu_to_shared_scale(a, l->a_zero_point, l->a_factor) +
                        mcu_to_shared_scale(b, l->b_zero_point, l->b_factor);
    return mcu_requantize_s8(sum, l->sum_factor, l->output);
}

void mcu_add_broadcast_s8(const struct mcu_add_broadcast_s8 *layer, const int8_t *a, const int8_t *b,
                          int8_t *out) {
    const struct mcu_add_broadcast_s8 l = *layer; /* out may alias anything, as far as the C compiler knows */
    mcu_broadcast_s8(l.size, l.a_step, l.b_step, sum, &l, a, b, out);
}
