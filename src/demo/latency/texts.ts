/** Texts of our own, in plain English. Conversions are judged on this one: they are calibrated on the text of the package. */
export const HELD_OUT_TEXT = `The lighthouse keeper had a cat that was afraid of the dark. Every evening, when the lamp was lit, it climbed the ninety steps
behind him and lay down beside the great glass, where it was warm and bright. In the morning it followed him down again and
slept under the table. The fishermen laughed about it, but they brought it the heads of their fish, and it grew round and slow.
One night in November the lamp went out. The keeper was ill and lay in his bed with a fever, and nobody was there to turn the
key. The cat sat in front of his face and cried, so long and so loud, that he opened his eyes at last. He saw that the window
was black. He went up on his hands and knees, with the cat before him, and lit the lamp just as a ship came around the point.

Can you tell me how bread is made? You need flour, water, salt and a little yeast. Mix the flour with the salt, stir the yeast
into warm water, and put both together. Work the dough with your hands until it is smooth and no longer sticks to the table. Then
it has to rest under a cloth for an hour or two, until it is twice as large. Form a loaf, let it rest once more, and bake it in
a very hot oven for about forty minutes. It is ready when it sounds hollow if you knock on it from below.

My brother and I share a bicycle. On Mondays, Wednesdays and Fridays it is his, on the other days it is mine, and on Sundays it
belongs to whoever gets up first. This worked well until he found a job on the other side of the town. Now he needs it every day,
and pays me for it with half of his lunch. I walk to school, which takes twenty minutes, and eat very well.

Winter is hard for birds. The days are short, so there is little time to look for food, and the nights are long and cold. Small
birds lose a tenth of their weight between evening and morning. Some of them fly south before the first snow falls. Others stay,
and sit close together in hedges and under roofs to keep each other warm. If you want to help them, put out seeds and a bowl of
fresh water, and do so every day, because they remember the place and count on it.

What is the difference between weather and climate? Weather is what happens outside today: it rains, the wind blows from the
west, the afternoon will be warm. Climate is what usually happens in a place over many years. A single cold day says nothing
about the climate, as one tall man says nothing about how tall people are. But when the springs come earlier for thirty years,
and the glaciers grow shorter each summer, then the climate has changed.

The old clock in the hall was always seven minutes fast. Grandmother had set it so, in the year when grandfather missed the last
train, and after her death nobody dared to turn it back. Visitors looked at it and jumped up from their chairs. We only smiled,
poured another cup of tea, and knew that there were still seven minutes left.

Good morning, I would like to ask about the room that you offer. Is it still free? Yes, it is. It lies on the second floor, with
a view of the yard, and it has a bed, a desk and a small kitchen. How much is it a month? Four hundred, and that includes the
water and the heating. May I keep a plant on the windowsill? You may keep as many plants as you like, but please, no drums.

When the power failed, the whole street came out of the doors. It was a warm night, and for the first time in years one could
see the stars above the houses. Somebody brought a guitar, somebody else a melon and a long knife. The children ran around in
the dark with their hands stretched out. After two hours the lamps came on again, all at once, and everybody said "ah", but it
did not sound as if they were glad.`;

/** What the lanes answer until somebody writes something else. */
export const USUAL_PROMPT = 'Tell me a short story about a cat and a boat.';
