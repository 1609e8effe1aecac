/* What we ask beyond MLPerf Tiny, as further commands. docs/serial_protocol.md, second table. */
#ifndef MEASURING_H
#define MEASURING_H

#include "inference.h"
#include "protocol.h"

/* Keeps the timing of an `infer`, for measuring_ticks. */
void measuring_keep(const struct inference_timing *timing);

/* Each answers one command, without the closing `m-ready`. */
void measuring_model(const struct protocol *protocol);
void measuring_clock(const struct protocol *protocol);
void measuring_crc(const struct protocol *protocol);
void measuring_ticks(const struct protocol *protocol);
void measuring_outputs(const struct protocol *protocol);
void measuring_layers(const struct protocol *protocol);
void measuring_memory(const struct protocol *protocol);

#endif
