// The header contains all of the module.
#include "CKVM.h"
