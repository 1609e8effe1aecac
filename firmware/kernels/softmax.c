#include "softmax.h"

#define ONE_QUARTER (1 << 24) /* in Q5.26 */
#define SUM_BITS 12           /* integer bits of the sum */

/* The product of two fixed point numbers; their integer bits add up. */
static inline int32_t multiply(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2^n for n >= 1, ties away from zero. */
static inline int32_t halve(int32_t x, int32_t n) {
    return (((x + (x >> 31)) >> (n - 1)) + 1) >> 1;
}

/* x * 2^n, saturated at the top. */
static inline int32_t twice(int32_t x, int32_t n) {
    const int64_t wide = (int64_t)x * (1 << n);
    return wide > INT32_MAX ? INT32_MAX : (int32_t)wide;
}

/* exp(x) in Q0.31 for x <= 0 in Q5.26: a polynomial of degree four around -1/8 for what is left of x within
 * a quarter, times exp of -1/4, -1/2, ..., -16 for each bit of the rest. */
static int32_t exp_of_negative(int32_t x) {
    static const int32_t powers[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    if (x == 0) {
        return INT32_MAX;
    }
    const int32_t part = (x & (ONE_QUARTER - 1)) - ONE_QUARTER; /* in [-1/4, 0) */
    const int32_t quarters = (part - x) >> 24;

    const int32_t a = part * 32 + (1 << 28); /* Q0.31, around -1/8 */
    const int32_t a2 = multiply(a, a);
    const int32_t a3 = multiply(a2, a);
    const int32_t a4 = multiply(a2, a2);
    const int32_t tail = halve(multiply(halve(a4, 2) + a3, 715827883) + a2, 1); /* a^2/2 + a^3/6 + a^4/24 */
    int32_t result = 1895147668 + multiply(1895147668, a + tail);               /* exp(-1/8) */
    for (int32_t bit = 0; bit < 7; bit++) {
        if (quarters & (1 << bit)) {
            result = multiply(result, powers[bit]);
        }
    }
    return result;
}

/* 1 / (1 + x) in Q0.31 for x in [0, 1) in Q0.31: three Newton steps in Q2.29 from 48/17 - 32/17 d. */
static int32_t reciprocal_of_one_plus(int32_t x) {
    const int32_t d = (int32_t)(((int64_t)x + INT32_MAX + 1) >> 1); /* (1 + x) / 2 */
    int32_t guess = 1515870810 + multiply(d, -1010580540);
    for (int32_t step = 0; step < 3; step++) {
        const int32_t error = (1 << 29) - multiply(d, guess);
        guess += multiply(guess, error) * 4;
    }
    return twice(guess, 1);
}

/* One row. */
static void softmax_row(const struct mcu_softmax_s8 l, const int8_t *in, int8_t *out) {
    int32_t largest = INT8_MIN;
    for (int32_t i = 0; i < l.count; i++) {
        largest = in[i] > largest ? in[i] : largest;
    }
    int32_t sum = 0;
    for (int32_t i = 0; i < l.count; i++) {
        const int32_t diff = in[i] - largest;
        if (diff >= l.diff_min) {
            sum += halve(exp_of_negative(mcu_scale(diff, l.factor)), SUM_BITS);
        }
    }
    /* The largest element alone gives 1.0, so that the sum is never 0. Normalised to 1 <= m < 2: */
    int32_t shift = SUM_BITS - 1;
    while (sum < 1 << 30) {
        sum *= 2;
        shift--;
    }
    const int32_t scale = reciprocal_of_one_plus((int32_t)((uint32_t)sum * 2u - 0x80000000u));
    for (int32_t i = 0; i < l.count; i++) {
        const int32_t diff = in[i] - largest;
        int32_t probability = 0;
        if (diff >= l.diff_min && shift < 9) {
            probability = halve(multiply(scale, exp_of_negative(mcu_scale(diff, l.factor))), shift + 23);
        }
        out[i] = (int8_t)(mcu_saturate_s8(probability + INT8_MIN));
    }
}

void mcu_softmax_s8(const struct mcu_softmax_s8 *layer, const int8_t *in, int8_t *out) {
    const struct mcu_softmax_s8 l = *layer; /* out may alias anything, as far as the C compiler knows */
    for (int32_t i = 0; i < l.rows; i++) {
        softmax_row(l, in + i * l.count, out + i * l.count);
    }
}
