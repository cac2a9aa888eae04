-- SPDX-License-Identifier: Apache-2.0
CREATE TABLE users (
	id		integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	email		text NOT NULL UNIQUE,
	password	text NOT NULL -- salt$PBKDF2, both hexadecimal
);

CREATE TABLE travels (
	id		integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	origin		text NOT NULL,
	destination	text NOT NULL,
	departs		timestamptz NOT NULL,
	price		numeric(8, 2) NOT NULL,
	seats		integer NOT NULL CHECK (seats >= 0)
);
CREATE INDEX ON travels (origin, destination);

CREATE TABLE bookings (
	id		integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	user_id		integer NOT NULL REFERENCES users,
	travel_id	integer NOT NULL REFERENCES travels,
	seats		integer NOT NULL CHECK (seats > 0),
	created		timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON bookings (user_id);

-- The password of every user is "travel".
INSERT INTO users (email, password)
SELECT 'user' || n || '@example.com',
       '73616c74$a8ce4d4c5b060dc31d0138d4d01d42a1c68f5f1823ab5f61a908313612f4492c'
FROM generate_series(1, 50) AS n;

INSERT INTO travels (origin, destination, departs, price, seats)
SELECT city[1 + n % 6], city[1 + (n + 1 + n / 6 % 5) % 6], now() + n * interval '3 hours',
       5 + n % 40, 20 + n * 37 % 400
FROM generate_series(1, 240) AS n,
     (VALUES (ARRAY['Douala', 'Yaounde', 'Bafoussam', 'Garoua', 'Kribi', 'Limbe'])) AS t(city);
