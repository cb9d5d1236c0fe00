// In Firefox as it is installed.

import { tellOfLife } from './life.mjs';
import { startFirefox } from './puppets.mjs';
import { Stage } from './stage.mjs';
import { tellStories } from './stories.mjs';

const stage = new Stage(startFirefox);
tellStories(stage);
tellOfLife(stage);
