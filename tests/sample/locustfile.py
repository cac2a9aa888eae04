# SPDX-License-Identifier: Apache-2.0
"""Travellers: most look around, some book, a few mistype their password or hammer the service."""

import random

from locust import HttpUser, between, task

TRAVELS = 240
CITIES = ["Douala", "Yaounde", "Bafoussam", "Garoua", "Kribi", "Limbe"]


class Traveller(HttpUser):
    wait_time = between(0.1, 0.5)
    weight = 10

    def on_start(self):
        self.client.headers["X-Client-Id"] = f"traveller-{random.randrange(10**9)}"
        self.bookings = []
        self.login()

    def login(self):
        email = f"user{random.randrange(1, 51)}@example.com"
        answer = self.client.post("/api/auth/login", json={"email": email, "password": "travel"})
        if answer.ok:
            self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @task(8)
    def look_around(self):
        self.client.get(
            "/api/travels", params={"origin": random.choice(CITIES)}, name="/api/travels"
        )

    @task(10)
    def look_at_one(self):
        self.client.get(f"/api/travels/{random.randint(1, TRAVELS)}", name="/api/travels/{id}")

    @task(3)
    def book(self):
        # Popular travels sell out: 409 is an answer like any other.
        travel = int(random.triangular(1, TRAVELS, 1))
        with self.client.post(
            "/api/bookings",
            json={"travel_id": travel, "seats": random.randint(1, 3)},
            catch_response=True,
        ) as answer:
            if answer.status_code == 201:
                self.bookings.append(answer.json()["id"])
            elif answer.status_code == 409:
                answer.success()

    @task(2)
    def own_bookings(self):
        self.client.get("/api/bookings")
        if self.bookings:
            booking = random.choice(self.bookings)
            self.client.get(f"/api/bookings/{booking}", name="/api/bookings/{id}")

    @task(1)
    def cancel(self):
        if self.bookings:
            booking = self.bookings.pop()
            self.client.delete(f"/api/bookings/{booking}", name="/api/bookings/{id}")

    @task(1)
    def look_for_nothing(self):
        with self.client.get(
            f"/api/travels/{TRAVELS + random.randint(1, 99)}",
            name="/api/travels/{id}",
            catch_response=True,
        ) as answer:
            if answer.status_code == 404:
                answer.success()


class Forgetful(HttpUser):
    """Tries wrong passwords and expired tokens."""

    wait_time = between(1, 3)
    weight = 1

    @task
    def wrong_password(self):
        body = {"email": "user1@example.com", "password": "guess"}
        with self.client.post("/api/auth/login", json=body, catch_response=True) as answer:
            if answer.status_code == 401:
                answer.success()

    @task
    def expired_token(self):
        headers = {"Authorization": "Bearer expired"}
        with self.client.get("/api/bookings", headers=headers, catch_response=True) as answer:
            if answer.status_code == 401:
                answer.success()


class Impatient(HttpUser):
    """Asks so often that the rate limit answers."""

    wait_time = between(0.02, 0.06)
    weight = 1

    def on_start(self):
        self.client.headers["X-Client-Id"] = "impatient"

    @task
    def hammer(self):
        with self.client.get("/api/travels", catch_response=True) as answer:
            if answer.status_code == 429:
                answer.success()
