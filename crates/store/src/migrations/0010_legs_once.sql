-- Each leg that ended is in its call's signed statement; its second copy is not kept any more.

DROP TABLE ended_leg;
