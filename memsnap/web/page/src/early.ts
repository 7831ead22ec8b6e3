// Runs before anything is drawn, so that a chosen theme does not begin with the other one.

import { startTheme } from "./theme.ts";

startTheme();
