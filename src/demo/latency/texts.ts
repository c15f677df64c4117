/** Texts of our own, in plain English. Conversions are calibrated on one, and judged on the other. */

export const CALIBRATION_TEXT = `On Monday morning the bakery opened late, because the oven had gone out in the night. Three people stood at the door with
their baskets and looked at the dark window. "It will be a while," said the baker, who came around the corner with flour on
her sleeves. "Come back at nine, and the first loaf is free." Two of them went home. The third, an old man with a small dog,
sat down on the bench and waited, because he had nowhere else to be.

A river begins as water that finds the lowest way. Rain falls on a hill, runs over the stones, and gathers in a hollow. From
there it goes on, always downwards, and takes sand and leaves along. Where the ground is soft it cuts deep; where it is hard
it spreads out and becomes a lake. After many years the valley looks as if it had been made for the river, although it was
the river that made it.

What should I cook tonight? Take two onions, a spoon of oil and whatever vegetables you have. Cut everything into small pieces.
Let the onions turn soft over a low heat, which takes about ten minutes, then add the rest, a cup of water and some salt. When
a fork goes in easily, it is done. Rice or bread goes well with it. If there is some left, it tastes even better tomorrow.

The computer on my desk is eleven years old. It is slow to start, its fan is loud, and one of its keys has lost its letter. I
could buy a new one, and every winter I look at prices for an evening. Then I write my letters, read the news and listen to
music on it, and find that it does all of this as well as it did on the first day. So I clean the dust out of it and keep it.

Please explain why the sky is blue. Light from the sun holds all colours. On its way through the air it meets very small parts
of gas, and these push the blue light aside far more often than the red. So blue light comes to our eyes from everywhere, and
the sky looks blue. In the evening the way through the air is longer, most of the blue is lost on the way, and what is left is
orange and red.

Dear Anna, thank you for your letter and for the photographs of the garden. The tomatoes look much better than ours, which got
too much rain in June. We have finished the roof at last, and the children sleep under it as if nothing had ever dripped on
their beds. Will you come in October? The train from the north stops here twice a day now, and there is always a bed for you.
Bring warm socks. With love from all of us, Peter.

There are twelve months in a year and about four weeks in each of them. A week has seven days, and a day has twenty-four hours.
Some months have thirty days, others have thirty-one, and February is shorter than the rest. Every fourth year it gets one more
day, because the way of the earth around the sun takes a little longer than three hundred and sixty-five days.

The girl had never seen the sea. When the bus came over the last hill she stood up, although the driver had told them all to
keep their seats, and put both hands against the glass. "Is that all water?" she asked. "All of it," said her uncle. "And who
fills it up again in the morning?" He thought about it for some time. "The rivers do," he said then, and she was content.

How do I sleep better? Go to bed at the same hour each night, also at the end of the week. Keep the room dark and a little cold.
Put the phone in another room, or at least out of reach, and do not drink coffee after lunch. If you lie awake for a long time,
get up, read a few pages of something dull, and go back when your eyes grow heavy. It takes a week or two until it works.

Our team lost every game that spring, and yet nobody wanted to stop. We met on Thursdays behind the school, where the grass was
long and the goal had no net, and we played until we could no longer see the ball. In the last game of the year we were three
behind at the half. Then it began to snow, in May, in thick wet flakes, and the other side forgot where they had to run.`;

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
