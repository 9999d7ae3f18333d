// For pages that the console's own frame does not draw (the admin): the person's choice of colours, before the first paint.
"use strict";

{
  const chosen = document.cookie.match(/(?:^|; )theme=(light|dark)(?:;|$)/);
  if (chosen) document.documentElement.dataset.theme = chosen[1];
}
