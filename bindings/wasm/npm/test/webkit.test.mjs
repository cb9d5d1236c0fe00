// In WebKit as it is installed.

import { tellOfLife } from './life.mjs';
import { startWebKit } from './webkit.mjs';
import { Stage } from './stage.mjs';
import { tellStories } from './stories.mjs';

const stage = new Stage(startWebKit);
tellStories(stage);
tellOfLife(stage);
