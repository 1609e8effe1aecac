/* The table of commands, and the answer to what the parser found. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "protocol.h"

/* Not to be called for PROTOCOL_PENDING. Every answer ends in `m-ready`. */
void commands_answer(const struct protocol *protocol, enum protocol_event event);

#endif
